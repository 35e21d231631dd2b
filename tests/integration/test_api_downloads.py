"""URL images through a whole gateway: what can't be had fails alone, with its code, and the others go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import evolve

from gateway.api.application import build_application
from gateway.api.connections.crowd import ConnectionBounds
from gateway.api.connections.runner import Runner
from gateway.api.cors import CrossOrigin
from gateway.app import assembled
from gateway.fetch.settings import FetchSettings
from gateway.settings import Settings
from tests.free_ports import free_port
from tests.pictures import plain
from tests.servers.application import listening
from tests.servers.web import Site, answer, image, web_server

JPEG = plain("JPEG")
TOO_MUCH = JPEG + bytes(10 * 1024 * 1024 + 1 - len(JPEG))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    pages = {
        "/good.jpg": image(JPEG, "image/jpeg"),
        "/gone.jpg": answer(404),
        "/page.jpg": answer(200, {"Content-Type": "text/html"}, b"<html>no image</html>"),
        "/huge.jpg": image(TOO_MUCH, "image/jpeg"),
        "/nothing.jpg": image(b"", "image/jpeg"),
    }
    async with web_server(pages, port=free_port()) as site:
        yield site


@pytest.fixture
async def api(tmp_path: Path, site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """A whole gateway in embedded mode that may download from the site, asked over HTTP."""
    fetch = FetchSettings(
        allowed_networks=(site.network,), allowed_ports=(80, site.port), tries=1, connect_timeout_s=2
    )
    async with assembled(evolve(Settings(), data_dir=tmp_path, fetch=fetch)) as context:
        runner = Runner(
            build_application(context), CrossOrigin(), ConnectionBounds(), context.metrics.connections,
            access_log=None, auto_decompress=False, shutdown_timeout=5,
        )  # fmt: skip
        async with (
            listening(runner) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            yield session


async def ended(api: aiohttp.ClientSession, urls: list[str]) -> list[dict[str, Any]]:
    """The images of a batch of these URLs, once it has ended."""
    async with api.post("/api/v1/batch", json={"images": [{"url": url} for url in urls]}) as created:
        assert created.status == 201
        location = created.headers["Location"]
    async with asyncio.timeout(30), api.ws_connect(f"{location}/ws") as websocket:
        async for _ in websocket:
            pass
    async with api.get(location) as status:
        images: list[dict[str, Any]] = (await status.json())["images"]
    return images


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("{site}/gone.jpg", "not_found"),
        ("{site}/page.jpg", "download_failed"),
        ("{site}/huge.jpg", "too_large"),
        ("{site}/nothing.jpg", "download_failed"),
        ("http://127.0.0.1/a.jpg", "download_refused"),
        ("http://localhost/a.jpg", "download_refused"),
    ],
)
async def test_what_cannot_be_downloaded_fails_alone(
    api: aiohttp.ClientSession, site: Site, target: str, code: str
) -> None:
    bad, good = await ended(api, [target.format(site=site.url("")), site.url("/good.jpg")])
    assert (bad["status"], bad["code"]) == ("failed", code)
    assert bad["error"]
    assert good["status"] == "completed"
    assert good["original_filename"] == "good.jpg"
    assert set(good["metadata"]) == {"title", "description", "keywords", "writer"}

"""A real gateway with a batch whose images are fetched from a site: the first at once, the others when they may be."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.pictures import plain
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.web import Site, held, image, web_server
from tests.submitting import submit_json

JPEG: Final = plain("JPEG")


@pytest.fixture
async def may_go() -> asyncio.Event:
    """Set, the site answers for b.jpg and c.jpg."""
    return asyncio.Event()


@pytest.fixture
async def site(may_go: asyncio.Event) -> AsyncIterator[Site]:
    late = held(may_go, image(JPEG, "image/jpeg"))
    async with web_server({"/a.jpg": image(JPEG, "image/jpeg"), "/b.jpg": late, "/c.jpg": late}) as site:
        yield site


@pytest.fixture
async def gateway(site: Site, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path / "data", fetch_allowed_networks=site.network, fetch_allowed_ports=site.port
    ) as gateway:
        yield gateway


@pytest.fixture
def images(site: Site) -> list[dict[str, str]]:
    """Three, of which the first ends at once and the others when they may."""
    return [{"url": site.url(f"/{name}.jpg")} for name in "abc"]


@pytest.fixture
async def job_id(gateway: Gateway, images: list[dict[str, str]]) -> str:
    """Of a job with them."""
    async with aiohttp.ClientSession() as http:
        return await submit_json(http, gateway.base_url, images)


@pytest.fixture
def batch(images: list[dict[str, str]]) -> bytes:
    """With them, to be sent."""
    return json.dumps({"images": images}).encode()

"""Names of downloads and of a model are looked up as the system is set up, and one that hangs holds up nothing else.

The name server is a real one, which leaves most questions unanswered; resolv.conf leads the gateway to it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.fetch.downloader import Downloader
from gateway.fetch.failures import DownloadFailed
from gateway.fetch.settings import FetchSettings
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.names import NameServer, name_server
from tests.servers.web import Site, image, web_server
from tests.submitting import submit_files

# More than asyncio ever has threads for getaddrinfo.
HANGING = [f"hanging-{number}.test" for number in range(40)]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with web_server({"/a.jpg": image(a_jpeg(), "image/jpeg")}) as site:
        yield site


@pytest.fixture
async def names(site: Site) -> AsyncIterator[NameServer]:
    async with name_server({"photos.test": site.host}) as names:
        yield names


@pytest.fixture
async def gateway(tmp_path: Path, site: Site, names: NameServer) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path / "data",
        *names.asked_by_all(tmp_path),
        fetch_allowed_networks=site.network,
        fetch_allowed_ports=site.port,
        fetch_concurrency=len(HANGING) + 1,
        fetch_connect_timeout_s=2 * PATIENCE_S,
    ) as gateway:
        yield gateway


async def submit(gateway: Gateway, site: Site, *hosts: str) -> str:
    """A batch of one URL a host; its status URL."""
    images = [{"url": site.url("/a.jpg", host=host)} for host in hosts]
    async with (
        aiohttp.ClientSession() as http,
        http.post(gateway.url("/api/v1/batch"), json={"images": images}) as answer,
    ):
        assert answer.status == 201
        return gateway.url(f"/api/v1/batch/{(await answer.json())['job_id']}")


async def until_all_hang(names: NameServer, hosts: Sequence[str] = HANGING) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not names.unanswered >= set(hosts):
            await asyncio.sleep(0.02)


async def until_ended(status_url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
        while True:
            async with http.get(status_url) as answer:
                job: dict[str, Any] = await answer.json()
            if "completed_at" in job:
                return job
            await asyncio.sleep(0.05)


async def test_a_stop_does_not_wait_for_hanging_look_ups(
    gateway: Gateway, site: Site, names: NameServer
) -> None:
    await submit(gateway, site, *HANGING)
    await until_all_hang(names)
    ended = await gateway.stop()
    assert (ended.code, ended.seconds < PATIENCE_S / 3) == (0, True)


async def test_nor_does_it_wait_for_the_look_up_of_a_model(tmp_path: Path, names: NameServer) -> None:
    async with (
        running_gateway(
            tmp_path / "data",
            *names.asked_by_all(tmp_path),
            environment={"OPENROUTER_API_KEY": "sk"},
            vision_url=f"http://{HANGING[0]}/v1",
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
        await until_all_hang(names, HANGING[:1])
        ended = await gateway.stop()
    assert (ended.code, ended.seconds < PATIENCE_S / 3) == (0, True)


async def test_hanging_look_ups_hold_up_no_other(gateway: Gateway, site: Site, names: NameServer) -> None:
    await submit(gateway, site, *HANGING)
    await until_all_hang(names)
    async with asyncio.timeout(PATIENCE_S):
        job = await until_ended(await submit(gateway, site, "photos.test"))
    assert job["completed"] == 1


async def test_localhost_is_known_without_a_name_server() -> None:
    async with web_server({"/a.jpg": image(b"picture", "image/jpeg")}, host="127.0.0.1") as site:
        settings = FetchSettings(allowed_networks=("127.0.0.1/32",), allowed_ports=(site.port,))
        async with (
            Downloader.create(settings, max_bytes=100) as downloader,
            downloader.open(site.url("/a.jpg", host="localhost")) as chunks,
        ):
            assert b"".join([chunk async for chunk in chunks]) == b"picture"


async def test_a_name_that_does_not_exist_is_told_as_such() -> None:
    async with Downloader.create(FetchSettings(), max_bytes=1) as downloader:
        with pytest.raises(DownloadFailed, match="has a host whose name was not found") as caught:
            async with downloader.open("http://no-such-host.invalid/a.png"):
                pass
    assert caught.value.retryable

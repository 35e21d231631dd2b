"""Downloads that are left before their end."""

import asyncio
from typing import Any

import pytest
from aiohttp.abc import ResolveResult

from gateway.fetch.downloader import Downloader
from gateway.fetch.failures import DownloadError, DownloadFailed
from gateway.fetch.settings import FetchSettings
from tests.integration.downloader.sites import (
    PNG,
    Names,
    a_downloader,
    a_site,
    endless,
    mute,
    read,
    stalled,
)
from tests.patience import PATIENCE_S
from tests.servers.web import Page, image


async def test_leaving_in_mid_body_ends_the_connection() -> None:
    async with a_site(endless) as site, a_downloader(site, max_bytes=2**40) as downloader:
        async with downloader.open(site.url("/a.png")) as chunks:
            await anext(chunks)
        async with asyncio.timeout(PATIENCE_S):
            await site.closed_by_client.wait()


@pytest.mark.parametrize("page", [mute, stalled])
async def test_a_cancelled_download_is_cancelled_and_ends_the_connection(page: Page) -> None:
    async with a_site(page) as site, a_downloader(site) as downloader:
        download = asyncio.create_task(read(downloader, site.url("/a.png")))
        async with asyncio.timeout(PATIENCE_S):
            while not site.requests:
                await asyncio.sleep(0)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        async with asyncio.timeout(PATIENCE_S):
            await site.closed_by_client.wait()


async def test_a_deadline_of_the_caller_is_the_callers() -> None:
    async with a_site(stalled) as site, a_downloader(site) as downloader:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.1):
                await read(downloader, site.url("/a.png"))
    assert not isinstance(caught.value, DownloadError)


async def test_an_error_of_the_reader_is_the_readers() -> None:
    async def store(url: str) -> None:
        async with downloader.open(url) as chunks:
            await anext(chunks)
            raise ConnectionResetError("the store's")

    async with a_site(image(PNG)) as site, a_downloader(site) as downloader:
        with pytest.raises(ConnectionResetError, match="the store's"):
            await store(site.url("/a.png"))


async def test_a_bare_cancelled_error_of_the_connection_is_a_broken_connection() -> None:
    class Dying(Names):
        async def resolve(self, *_: Any, **__: Any) -> list[ResolveResult]:
            raise asyncio.CancelledError

    async with Downloader.create(FetchSettings(), max_bytes=1, resolver=Dying({})) as downloader:
        with pytest.raises(DownloadFailed, match="broke the connection") as caught:
            await read(downloader, "http://dying.test/a.png")
    assert caught.value.retryable

"""Sites that take their time."""

import asyncio
from typing import Any

import pytest
from aiohttp.abc import ResolveResult

from gateway.fetch.downloader import Downloader
from gateway.fetch.failures import DownloadFailed
from gateway.fetch.settings import FetchSettings
from tests.integration.downloader.sites import (
    MAX_BYTES,
    Names,
    a_downloader,
    a_site,
    dripping,
    error_of,
    mute,
    read,
    slow_header,
    stalled,
)
from tests.servers.web import Page, Request, image, redirect


async def test_a_silent_site_is_left() -> None:
    error = await error_of(mute, read_timeout_s=0.1)
    assert (error.text, error.retryable) == ("was silent for 0.1 s", True)


async def test_a_stalled_body_is_left() -> None:
    error = await error_of(stalled, read_timeout_s=0.1)
    assert (error.text, error.retryable) == ("was silent for 0.1 s", True)


@pytest.mark.parametrize("page", [dripping, slow_header])
async def test_a_site_that_drips_is_left_at_the_total_time(page: Page) -> None:
    error = await error_of(page, read_timeout_s=5, total_timeout_s=0.3)
    assert (error.text, error.retryable) == ("took longer than 0.3 s", True)


async def test_the_total_time_is_that_of_all_hops() -> None:
    async def slow_redirect(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.12)
        await redirect("/a.png")(request, writer)

    error = await error_of(slow_redirect, total_timeout_s=0.3)
    assert error.text == "took longer than 0.3 s"


async def test_a_slow_look_up_is_left() -> None:
    class Slow(Names):
        async def resolve(self, *_: Any, **__: Any) -> list[ResolveResult]:
            await asyncio.Event().wait()
            return []

    settings = FetchSettings(connect_timeout_s=0.1)
    async with Downloader.create(settings, max_bytes=1, resolver=Slow({})) as downloader:
        with pytest.raises(DownloadFailed, match=r"did not accept a connection within 0.1 s") as caught:
            await read(downloader, "http://slow.test/a.png")
    assert caught.value.retryable


async def test_time_that_the_reader_takes_does_not_count_against_the_site() -> None:
    async with a_site(image(bytes(10 * MAX_BYTES))) as site:
        limits: dict[str, Any] = {
            "read_timeout_s": 1,
            "total_timeout_s": 2,
            "max_bytes": 10 * MAX_BYTES,
        }
        async with a_downloader(site, **limits) as downloader, downloader.open(site.url("/a.png")) as chunks:
            received = len(await anext(chunks))
            await asyncio.sleep(2.5)
            received += sum([len(chunk) async for chunk in chunks])
    assert received == 10 * MAX_BYTES

"""Redirects that are followed, and those that are not; what is no URL."""

import asyncio

import pytest

from gateway.fetch.downloader import Downloader
from gateway.fetch.failures import DownloadFailed, DownloadRefused
from gateway.fetch.settings import FetchSettings
from tests.integration.downloader.sites import (
    PNG,
    a_downloader,
    a_site,
    endless_chunks,
    error_of,
    read,
)
from tests.servers.web import HOST, Request, answer, head, image, redirect, web_server


async def test_redirects_are_followed_relative_ones_too() -> None:
    pages = {"/a.png": redirect("b/c"), "/b/c": redirect("//other.test:{port}/d"), "/d": image(PNG)}
    async with web_server(pages) as site:
        site.pages["/b/c"] = redirect(f"//user:secret@other.test:{site.port}/d")
        async with a_downloader(site, names={"other.test": [HOST]}) as downloader:
            assert await read(downloader, site.url("/a.png")) == PNG
    assert [request.target for request in site.requests] == ["/a.png", "/b/c", "/d"]
    assert all("authorization" not in request.headers for request in site.requests)


async def test_as_many_redirects_as_the_setting_says_are_followed() -> None:
    pages = {"/0": redirect("/1"), "/1": redirect("/2"), "/2": image(PNG)}
    async with web_server(pages) as site:
        async with a_downloader(site, max_redirects=2) as downloader:
            assert await read(downloader, site.url("/0")) == PNG
        async with a_downloader(site, max_redirects=1) as downloader:
            with pytest.raises(DownloadFailed, match="redirects more than 1 times"):
                await read(downloader, site.url("/0"))


async def test_a_redirect_loop_ends() -> None:
    error = await error_of(redirect("/a.png"))
    assert error.text == "redirects more than 5 times"
    assert not error.retryable


async def test_an_endless_body_of_a_redirect_is_not_read() -> None:
    async def page(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(302, {"Location": "/b", "Transfer-Encoding": "chunked"}))
        await endless_chunks(writer)

    async with a_site(page, b=image(PNG)) as site, a_downloader(site) as downloader:
        assert await read(downloader, site.url("/a.png")) == PNG


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://example.com/a", "data:image/png;base64,AAAA"]
)
async def test_a_redirect_to_another_scheme_is_refused(target: str) -> None:
    error = await error_of(redirect(target))
    assert isinstance(error, DownloadRefused)
    assert error.text == "leads to a URL that is neither http nor https"


@pytest.mark.parametrize("target", ["http://[::1", "http://a b/", "//a..b/", "http://h:99999/"])
async def test_a_redirect_to_nonsense_fails(target: str) -> None:
    error = await error_of(redirect(target))
    assert (error.text, error.code) == ("redirects to what can't be read as a URL", "download_failed")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://[::1", "this text is not a valid URL"),
        ("http://a..b/", "http://a..b/ names no host that can be looked up"),
    ],
)
async def test_a_url_that_is_none_fails(url: str, text: str) -> None:
    async with Downloader.create(FetchSettings(), max_bytes=1) as downloader:
        with pytest.raises(DownloadFailed) as caught:
            await read(downloader, url)
    assert (caught.value.text, caught.value.retryable) == (text, False)


@pytest.mark.parametrize(
    ("zone", "text"), [("a" * 300, "names no host that can be looked up"), ("\udc80", "is not a valid URL")]
)
async def test_a_host_that_the_system_cannot_take_fails(zone: str, text: str) -> None:
    settings = FetchSettings(allowed_networks=("::1/128",))
    async with Downloader.create(settings, max_bytes=1) as downloader:
        with pytest.raises(DownloadFailed, match=text):
            await read(downloader, f"http://[::1%25{zone}]/")


async def test_a_redirect_without_a_target_is_just_an_answer() -> None:
    assert (await error_of(answer(302))).text == "answered 302"

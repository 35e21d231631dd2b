"""Answers that are no image, and why."""

import asyncio
import gzip

import pytest

from gateway.fetch.failures import DownloadFailed
from tests.free_ports import free_port
from tests.integration.downloader.sites import (
    IMAGE,
    MAX_BYTES,
    PNG,
    a_downloader,
    a_site,
    endless,
    error_of,
    read,
    reset_in_mid_body,
)
from tests.patience import PATIENCE_S
from tests.servers.web import HOST, Page, Site, answer, image, raw, web_server


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (404, "not_found", False),
        (410, "not_found", False),
        (401, "download_failed", False),
        (403, "download_failed", False),
        (204, "download_failed", False),
        (206, "download_failed", False),
        (304, "download_failed", False),
        (408, "download_failed", True),
        (429, "download_failed", True),
        (500, "download_failed", True),
        (503, "download_failed", True),
    ],
)
async def test_another_status_than_200_fails(status: int, code: str, retryable: bool) -> None:
    error = await error_of(answer(status, IMAGE, PNG if status not in (204, 304) else b""))
    assert (error.text, error.code, error.retryable) == (f"answered {status}", code, retryable)


async def test_a_busy_site_says_when_to_come_again() -> None:
    assert (await error_of(answer(503, {"Retry-After": "17"}))).retry_after_s == 17


async def test_html_is_no_image() -> None:
    error = await error_of(answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>"))
    assert error.text == "sent text/html instead of an image"
    assert not error.retryable


async def test_an_answer_without_a_type_is_no_image() -> None:
    assert (await error_of(answer(200, {}, PNG))).text == "sent no content type instead of an image"


async def test_a_further_type_is_taken_by_setting() -> None:
    page = image(PNG, "Binary/Octet-Stream")
    types = ("binary/octet-stream",)
    async with a_site(page) as site, a_downloader(site, extra_content_types=types) as downloader:
        assert await read(downloader, site.url("/a.png")) == PNG


@pytest.mark.parametrize("length", [None, -1])
async def test_an_empty_body_is_no_image(length: int | None) -> None:
    error = await error_of(answer(200, IMAGE, b"", length=length))
    assert error.text == "sent nothing"


async def test_too_much_is_refused_before_it_is_read_when_it_is_declared() -> None:
    error = await error_of(answer(200, IMAGE, PNG, length=MAX_BYTES + 1))
    assert (error.text, error.code) == (f"sent more than {MAX_BYTES} bytes", "too_large")
    assert not error.retryable


async def test_an_endless_body_ends_at_max_bytes() -> None:
    handed_on: list[bytes] = []
    async with a_site(endless) as site, a_downloader(site) as downloader:
        with pytest.raises(DownloadFailed) as caught:
            await read(downloader, site.url("/a.png"), into=handed_on)
        assert caught.value.code == "too_large"
        assert len(b"".join(handed_on)) <= MAX_BYTES
        async with asyncio.timeout(PATIENCE_S):
            await site.closed_by_client.wait()


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "identity, gzip"])
async def test_a_compressed_bomb_is_not_unpacked(encoding: str) -> None:
    bomb = gzip.compress(bytes(10 * MAX_BYTES))
    assert len(bomb) < MAX_BYTES
    error = await error_of(answer(200, {**IMAGE, "Content-Encoding": encoding}, bomb))
    assert error.text == "sent a compressed body, which was not asked for"


async def test_a_body_longer_than_declared_fails() -> None:
    error = await error_of(answer(200, IMAGE, PNG, length=8))
    assert (error.text, error.retryable) == ("did not answer in proper HTTP", False)


async def test_a_body_shorter_than_declared_fails() -> None:
    error = await error_of(answer(200, IMAGE, PNG, length=len(PNG) + 1))
    assert (error.text, error.code, error.retryable) == ("broke the connection", "download_failed", True)


@pytest.mark.parametrize("page", [reset_in_mid_body, raw(b"")])
async def test_a_broken_connection_may_go_better_again(page: Page) -> None:
    error = await error_of(page)
    assert (error.text, error.retryable) == ("broke the connection", True)


async def test_what_is_not_http_fails() -> None:
    error = await error_of(raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"))
    assert (error.text, error.retryable) == ("did not answer in proper HTTP", False)


async def test_a_port_where_nobody_listens_fails_and_may_go_better_again() -> None:
    nobody = Site(HOST, free_port(), {})
    async with a_downloader(nobody) as downloader:
        with pytest.raises(DownloadFailed, match="did not accept a connection") as caught:
            await read(downloader, nobody.url("/a.png"))
    assert caught.value.retryable


async def test_the_line_in_the_log_tells_no_address_either() -> None:
    nobody = Site(HOST, free_port(), {})
    async with a_downloader(nobody, names={"site.test": [HOST]}) as downloader:
        with pytest.raises(DownloadFailed) as caught:
            await read(downloader, nobody.url("/a.png", host="site.test"))
    assert str(caught.value) == (
        f"http://site.test:{nobody.port}/a.png did not accept a connection (ClientConnectorError: ECONNREFUSED)"
    )


async def test_an_unknown_name_fails_and_may_go_better_again() -> None:
    async with web_server() as site, a_downloader(site, names={}) as downloader:
        with pytest.raises(DownloadFailed, match="has a host whose name was not found") as caught:
            await read(downloader, site.url("/a.png", host="unknown.test"))
    assert caught.value.retryable


async def test_plain_http_behind_https_fails() -> None:
    site = Site(HOST, free_port(), {})

    def speak_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Plain\r\n\r\n")
        writer.close()

    async with (
        await asyncio.start_server(speak_at_once, site.host, site.port),
        a_downloader(site) as downloader,
    ):
        with pytest.raises(DownloadFailed, match="did not agree on TLS"):
            await read(downloader, site.url("/a.png").replace("http:", "https:"))


async def test_texts_hold_neither_password_nor_query() -> None:
    async with web_server() as site, a_downloader(site) as downloader:
        with pytest.raises(DownloadFailed) as caught:
            await read(downloader, site.url("/a.png?token=secret").replace("//", "//me:secret@"))
    assert "secret" not in str(caught.value)
    assert caught.value.text == f"http://***@{HOST}:{site.port}/a.png?*** answered 404"

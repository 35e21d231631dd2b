"""What a download brings, and what goes out for it."""

import asyncio
from typing import Any

import pytest

from tests.integration.downloader.sites import (
    IMAGE,
    MAX_BYTES,
    PNG,
    a_downloader,
    a_site,
    read,
)
from tests.patience import PATIENCE_S
from tests.servers.web import HOST, Request, answer, head, image, raw, web_server


async def test_an_image_comes_as_it_is() -> None:
    async with a_site(image(PNG)) as site, a_downloader(site) as downloader:
        assert await read(downloader, site.url("/a.png")) == PNG


async def test_a_chunked_body_comes_whole() -> None:
    body = b"4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n"
    page = raw(head(200, {**IMAGE, "Transfer-Encoding": "chunked"}) + body)
    async with a_site(page) as site, a_downloader(site) as downloader:
        assert await read(downloader, site.url("/a.png")) == b"abcdefg"


async def test_a_connection_ends_with_its_answer_though_the_site_would_keep_it() -> None:
    """What came on it later would be taken for the answer to another download."""

    async def kept_open(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(PNG) + PNG
        )
        await asyncio.Event().wait()

    async with a_site(kept_open) as site, a_downloader(site) as downloader:
        assert await read(downloader, site.url("/a.png")) == PNG
        async with asyncio.timeout(PATIENCE_S):
            await site.closed_by_client.wait()


async def test_a_body_of_just_max_bytes_is_taken() -> None:
    async with a_site(image(bytes(MAX_BYTES))) as site, a_downloader(site) as downloader:
        assert len(await read(downloader, site.url("/a.png"))) == MAX_BYTES


async def test_asks_for_images_uncompressed_and_sends_nothing_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text(f"machine {HOST} login me password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with a_site(image(PNG)) as site, a_downloader(site, user_agent="tester") as downloader:
        await read(downloader, site.url("/a.png").replace("//", "//user:password@") + "#part")
    [request] = site.requests
    assert request.method == "GET"
    assert request.target == "/a.png"
    assert "image/*" in request.headers["accept"]
    assert request.headers == {
        "accept": request.headers["accept"],
        "host": f"{HOST}:{site.port}",
        "accept-encoding": "identity",
        "user-agent": "tester",
        "connection": "close",
    }


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with web_server(host="127.0.0.1") as proxy, a_site(image(PNG)) as site:
        monkeypatch.setenv("http_proxy", proxy.url("/"))
        async with a_downloader(site, proxy) as downloader:
            assert await read(downloader, site.url("/a.png")) == PNG
        assert proxy.accepted == 0


async def test_cookies_are_not_kept() -> None:
    page = answer(200, {**IMAGE, "Set-Cookie": "a=b; Path=/"}, PNG)
    async with a_site(page) as site, a_downloader(site, names={"site.test": [HOST]}) as downloader:
        for _ in range(2):
            await read(downloader, site.url("/a.png", host="site.test"))
    assert all("cookie" not in request.headers for request in site.requests)


async def test_cookies_are_not_carried_to_the_next_hop() -> None:
    page = answer(302, {"Location": "/b.png", "Set-Cookie": "a=b; Path=/"})
    async with (
        web_server({"/a.png": page, "/b.png": image(PNG)}) as site,
        a_downloader(site, names={"site.test": [HOST]}) as downloader,
    ):
        assert await read(downloader, site.url("/a.png", host="site.test")) == PNG
    assert [request.target for request in site.requests] == ["/a.png", "/b.png"]
    assert all("cookie" not in request.headers for request in site.requests)

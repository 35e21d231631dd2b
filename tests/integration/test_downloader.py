"""The downloader against real servers: 127.0.0.2 is allowed by setting, 127.0.0.1 is forbidden."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.fetch.downloader import Downloader
from gateway.fetch.failures import DownloadError, DownloadFailed, DownloadRefused
from gateway.fetch.settings import FetchSettings
from tests.free_ports import free_port
from tests.servers.web import HOST, Page, Request, Site, answer, head, image, raw, redirect, web_server

PNG = b"\x89PNG\r\n\x1a\n" + b"picture" * 100
MAX_BYTES = 100_000
IMAGE = {"Content-Type": "image/png"}


class Names(AbstractResolver):
    """A look-up of names of our own: what it doesn't know doesn't exist."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host not in self.names:
            raise OSError(None, "unknown name")
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=socket.AF_INET, proto=0, flags=0)
            for ip in self.names[host]
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def a_downloader(
    *sites: Site, names: dict[str, list[str]] | None = None, max_bytes: int = MAX_BYTES, **limits: Any
) -> AsyncIterator[Downloader]:
    settings = FetchSettings(
        allowed_networks=(f"{HOST}/32",), allowed_ports=tuple(site.port for site in sites), **limits
    )
    resolver = Names(names) if names is not None else None
    async with Downloader.create(settings, max_bytes=max_bytes, resolver=resolver) as downloader:
        yield downloader


@asynccontextmanager
async def a_site(page: Page, **pages: Page) -> AsyncIterator[Site]:
    """`page` at /a.png, `pages` at their names."""
    async with web_server({"/a.png": page, **{f"/{name}": one for name, one in pages.items()}}) as site:
        yield site


async def read(downloader: Downloader, url: str, *, into: list[bytes] | None = None) -> bytes:
    received = into if into is not None else []
    async with downloader.open(url) as chunks:
        async for chunk in chunks:
            received.append(chunk)
    return b"".join(received)


async def error_of(page: Page, *, path: str = "/a.png", **limits: Any) -> DownloadError:
    """How the download of a site's only page ends, told without the site's address."""
    async with a_site(page) as site, a_downloader(site, **limits) as downloader:
        with pytest.raises(DownloadError) as caught:
            await read(downloader, site.url(path))
    assert caught.value.text.startswith(site.url(path))
    caught.value.text = caught.value.text.removeprefix(site.url(path)).lstrip()
    return caught.value


async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
    """A chunked body without end."""
    writer.write(head(200, {**IMAGE, "Transfer-Encoding": "chunked"}))
    await endless_chunks(writer)


async def endless_chunks(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"1000\r\n" + bytes(4096) + b"\r\n")
        await writer.drain()


async def stalled(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, IMAGE, 5000) + PNG)
    await asyncio.Event().wait()


async def dripping(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, IMAGE, 5000))
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def mute(_: Request, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def slow_header(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def reset_in_mid_body(_: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, IMAGE, 50_000) + PNG)
    await writer.drain()
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.transport.abort()


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
        async with asyncio.timeout(10):
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


# Forbidden targets: 127.0.0.1 must not see a single connection.


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0", "127.0.0.1."],
)
async def test_a_forbidden_address_is_refused_in_any_spelling(host: str) -> None:
    async with (
        web_server({"/a.png": image(PNG)}, host="127.0.0.1") as secret,
        a_downloader(secret) as downloader,
    ):
        with pytest.raises(DownloadRefused, match="may not be connected to"):
            await read(downloader, secret.url("/a.png", host=host))
    assert secret.accepted == 0


async def test_the_guard_alone_stops_a_name_that_resolves_to_a_forbidden_address() -> None:
    names = {"innocent.test": ["127.0.0.1"]}
    async with web_server(host="127.0.0.1") as secret, a_downloader(secret, names=names) as downloader:
        with pytest.raises(DownloadRefused) as caught:
            await read(downloader, secret.url("/a.png", host="innocent.test"))
    assert caught.value.code == "download_refused"
    assert not caught.value.retryable
    assert "127.0.0.1" not in caught.value.text
    assert secret.accepted == 0


async def test_a_name_with_several_forbidden_addresses_is_refused_too() -> None:
    async with web_server(host="127.0.0.1") as secret:
        names = {"innocent.test": ["127.0.0.1", "10.0.0.1", "169.254.169.254"]}
        async with a_downloader(secret, names=names) as downloader:
            with pytest.raises(DownloadRefused):
                await read(downloader, secret.url("/a.png", host="innocent.test"))
    assert secret.accepted == 0


async def test_a_name_with_very_many_forbidden_addresses_is_refused_as_one_with_few() -> None:
    """Without a bound they would take all the time that there is for connecting, and the event loop with it."""
    addresses = [f"10.{number // 250}.{number % 250}.1" for number in range(4000)]
    async with a_site(image(PNG)) as site, a_downloader(site, names={"many.test": addresses}) as downloader:
        with pytest.raises(DownloadRefused):
            await read(downloader, site.url("/a.png", host="many.test"))


async def test_of_a_name_with_mixed_addresses_only_the_permitted_one_is_connected_to() -> None:
    async with a_site(image(PNG)) as site, web_server(host="127.0.0.1", port=site.port) as secret:
        async with a_downloader(site, names={"mixed.test": ["127.0.0.1", HOST]}) as downloader:
            assert await read(downloader, site.url("/a.png", host="mixed.test")) == PNG
        assert secret.accepted == 0


async def test_a_name_that_is_rebound_between_two_hops_is_refused() -> None:
    names = {"rebound.test": [HOST], "other.test": [HOST]}

    async def rebind(_: Request, writer: asyncio.StreamWriter) -> None:
        names["rebound.test"] = ["127.0.0.1"]
        await redirect(f"http://rebound.test:{site.port}/b.png")(_, writer)

    async with a_site(rebind) as site, web_server(host="127.0.0.1", port=site.port) as secret:
        async with a_downloader(site, names=names) as downloader:
            with pytest.raises(DownloadRefused):
                await read(downloader, site.url("/a.png", host="other.test"))
        assert secret.accepted == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "innocent.test"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_forbidden_address_is_refused(host: str, status: int) -> None:
    names = {"innocent.test": ["127.0.0.1"]}
    async with (
        web_server({"/b.png": image(PNG)}, host="127.0.0.1") as secret,
        a_site(redirect(secret.url("/b.png", host=host), status)) as site,
        a_downloader(site, secret, names=names) as downloader,
    ):
        with pytest.raises(DownloadRefused) as caught:
            await read(downloader, site.url("/a.png"))
    assert caught.value.text == f"{site.url('/a.png')} leads to an address that may not be connected to"
    assert secret.accepted == 0


async def test_another_port_is_refused() -> None:
    async with a_site(image(PNG)) as site, web_server() as other, a_downloader(site) as downloader:
        with pytest.raises(DownloadRefused, match=f"asks for port {other.port}"):
            await read(downloader, other.url("/a.png"))
    assert other.accepted == 0


async def test_a_denied_domain_is_refused_at_a_redirect_as_well() -> None:
    names = {"good.test": [HOST], "www.bad.test": [HOST]}
    async with web_server() as site:
        site.pages["/a.png"] = redirect(site.url("/b.png", host="www.bad.test"))
        async with a_downloader(site, names=names, denied_domains=("bad.test",)) as downloader:
            with pytest.raises(DownloadRefused, match="leads to a domain that is not allowed"):
                await read(downloader, site.url("/a.png", host="good.test"))
    assert len(site.requests) == 1


# Redirects that are followed, and those that aren't.


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


# Answers that are no image.


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
        async with asyncio.timeout(5):
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


# Slowness.


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
            "read_timeout_s": 0.1,
            "total_timeout_s": 0.2,
            "max_bytes": 10 * MAX_BYTES,
        }
        async with a_downloader(site, **limits) as downloader, downloader.open(site.url("/a.png")) as chunks:
            received = len(await anext(chunks))
            await asyncio.sleep(0.4)
            received += sum([len(chunk) async for chunk in chunks])
    assert received == 10 * MAX_BYTES


# Leaving.


async def test_leaving_in_mid_body_ends_the_connection() -> None:
    async with a_site(endless) as site, a_downloader(site, max_bytes=2**40) as downloader:
        async with downloader.open(site.url("/a.png")) as chunks:
            await anext(chunks)
        async with asyncio.timeout(5):
            await site.closed_by_client.wait()


@pytest.mark.parametrize("page", [mute, stalled])
async def test_a_cancelled_download_is_cancelled_and_ends_the_connection(page: Page) -> None:
    async with a_site(page) as site, a_downloader(site) as downloader:
        download = asyncio.create_task(read(downloader, site.url("/a.png")))
        async with asyncio.timeout(5):
            while not site.requests:
                await asyncio.sleep(0)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        async with asyncio.timeout(5):
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

"""A small real web server whose answers are written byte by byte, so that it can misbehave.

    async with web_server({"/a.png": image(PNG), "/gone": answer(404)}) as site:
        site.url("/a.png")

A page is a function that writes to the connection; what it returns from is closed. Pages can hold a connection open
by waiting: leaving the block cancels them.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

from attrs import define, field, frozen

from tests.free_ports import free_port
from tests.servers.serving import serving

# Not 127.0.0.1: so a test can allow this address and see that its neighbour stays forbidden.
HOST = "127.0.0.2"


@frozen
class Request:
    """One request's head."""

    method: str
    target: str
    headers: Mapping[str, str]


Page = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@define
class Site:
    """Where a server listens, and what it has seen."""

    host: str
    port: int
    pages: dict[str, Page]
    scheme: str = "http"
    accepted: int = 0
    requests: list[Request] = field(factory=list)
    closed_by_client: asyncio.Event = field(factory=asyncio.Event)

    @property
    def network(self) -> str:
        return f"{self.host}/32"

    def accept(self) -> None:
        self.accepted += 1

    def url(self, path: str, *, host: str | None = None) -> str:
        return f"{self.scheme}://{host or self.host}:{self.port}{path}"


@asynccontextmanager
async def web_server(
    pages: Mapping[str, Page] = {}, *, host: str = HOST, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    """`pages` by target; every other target is answered 404."""
    site = Site(host, port or free_port(), dict(pages), scheme="http" if tls is None else "https")

    async with serving(partial(_serve, site), site.host, site.port, tls=tls, accepted=site.accept):
        yield site


def answer(
    status: int = 200, headers: Mapping[str, str] = {}, body: bytes = b"", *, length: int | None = None
) -> Page:
    """A whole answer; `length` is what it declares in place of the truth, -1 for nothing declared."""

    async def page(_: Request, writer: asyncio.StreamWriter) -> None:
        declared = len(body) if length is None else length
        writer.write(head(status, headers, declared) + body)
        await writer.drain()

    return page


def image(body: bytes, media_type: str = "image/png") -> Page:
    return answer(200, {"Content-Type": media_type}, body)


def redirect(target: str, status: int = 302) -> Page:
    return answer(status, {"Location": target})


def held(until: asyncio.Event, page: Page) -> Page:
    """Nothing is answered before that."""

    async def late(request: Request, writer: asyncio.StreamWriter) -> None:
        await until.wait()
        await page(request, writer)

    return late


def raw(data: bytes) -> Page:
    """`data` as it is, HTTP or not."""

    async def page(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return page


def head(status: int, headers: Mapping[str, str], length: int = -1) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
    if length >= 0:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


async def _serve(site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        request = _parsed(await reader.readuntil(b"\r\n\r\n"))
        site.requests.append(request)
        await _write_page(site, request, reader, writer)
    except (OSError, asyncio.IncompleteReadError):
        site.closed_by_client.set()


async def _write_page(
    site: Site, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Until the page is written or the client leaves."""
    page = site.pages.get(request.target, answer(404))
    writing = asyncio.ensure_future(page(request, writer))
    leaving = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not writing.done():
            site.closed_by_client.set()
            return
        await writing
    finally:
        for task in (writing, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await task


def _parsed(data: bytes) -> Request:
    first, *lines = data.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = dict(line.split(": ", 1) for line in lines if line)
    return Request(method, target, {name.lower(): value for name, value in headers.items()})

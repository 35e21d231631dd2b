"""A small real forward proxy: CONNECT, and requests in absolute form (RFC 9112, section 3.2.2).

    async with forward_proxy({"photos.test:80": (site.host, site.port)}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)

It connects where it is told to, by a table of its own first, as the look-up of a proxy is its own.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

from attrs import define, field

from tests.free_ports import free_port
from tests.servers.serving import serving

HOST = "127.0.0.1"
Address = tuple[str, int]


@define(eq=False)
class ForwardProxy:
    """`asked` are the first lines of requests, `authorizations` what they brought for the proxy itself."""

    leads_to: Mapping[str, Address]
    denied: frozenset[str]
    port: int
    accepted: int = 0
    asked: list[str] = field(factory=list)
    authorizations: list[str] = field(factory=list)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def accept(self) -> None:
        self.accepted += 1

    def target(self, authority: str) -> Address:
        host, _, port = authority.rpartition(":")
        return self.leads_to.get(authority, (host, int(port)))


@asynccontextmanager
async def forward_proxy(
    leads_to: Mapping[str, Address] = {}, *, denied: frozenset[str] = frozenset()
) -> AsyncIterator[ForwardProxy]:
    """Targets as `host:port`; those that are denied are answered 403."""
    proxy = ForwardProxy(leads_to, denied, free_port())

    async with serving(partial(_serve, proxy), HOST, proxy.port, accepted=proxy.accept):
        yield proxy


async def _serve(proxy: ForwardProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):  # one of the two has left
        await _answer(proxy, reader, writer)


async def _answer(proxy: ForwardProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    proxy.asked.append(lines[0])
    proxy.authorizations += [line for line in lines if line.lower().startswith("proxy-authorization:")]
    method, target, _ = lines[0].split(" ")
    if method == "CONNECT":
        await _tunnel(proxy, target, reader, writer)
    else:
        await _pass_on(proxy, lines, reader, writer)


async def _tunnel(
    proxy: ForwardProxy, authority: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    if authority in proxy.denied:
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        return
    far_reader, far_writer = await asyncio.open_connection(*proxy.target(authority))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await _both_ways(reader, writer, far_reader, far_writer)


async def _pass_on(
    proxy: ForwardProxy, lines: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    method, target, version = lines[0].split(" ")
    url = urlsplit(target)
    authority = url.netloc if url.port else f"{url.netloc}:80"
    if authority in proxy.denied:
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        return
    kept = [line for line in lines[1:] if not line.lower().startswith("proxy-")]
    far_reader, far_writer = await asyncio.open_connection(*proxy.target(authority))
    far_writer.write("\r\n".join([f"{method} {url.path} {version}", *kept]).encode("latin-1"))
    await _both_ways(reader, writer, far_reader, far_writer)


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    pumps = [asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        far_writer.close()
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()

"""A downloader, and what sites do to it: 127.0.0.2 is allowed by setting, 127.0.0.1 is forbidden."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.fetch.downloader import Downloader
from gateway.fetch.failures import DownloadError
from gateway.fetch.settings import FetchSettings
from tests.servers.web import HOST, Page, Request, Site, head, web_server

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

"""The real servers round the table of hostile URLs: the site, what must not be connected to, and the name server.

async with hostile_place() as place:
    ...
    assert await place.accepts() == 0
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from attrs import frozen
from yarl import URL

from tests.free_ports import free_port
from tests.hostile_urls import NAMES, SITE, TABLE
from tests.patience import PATIENCE_S
from tests.servers import names as name_servers
from tests.servers.hostile_site import ANSWERS, PNG
from tests.servers.names import Known, NameServer, name_server
from tests.servers.web import Page, Site, image, redirect, web_server

FORBIDDEN = ("127.0.0.1", "::1")


@frozen
class HostilePlace:
    site: Site
    forbidden: tuple[Site, ...]
    names: NameServer

    @property
    def port(self) -> int:
        """Of the site and of what is forbidden."""
        return self.site.port

    async def accepts(self) -> int:
        """How often the forbidden ones were connected to so far, but for a last time by us, behind all others."""
        accepted = 0
        for site in self.forbidden:
            before = site.accepted
            _, writer = await asyncio.open_connection(site.host, site.port)
            writer.close()
            async with asyncio.timeout(PATIENCE_S):
                while site.accepted == before:
                    await asyncio.sleep(0)
            accepted += site.accepted - 1
            site.accepted -= 1
        return accepted

    def resolver(self) -> aiohttp.AsyncResolver:
        """One who asks the name server; its owner closes it."""
        return aiohttp.AsyncResolver(nameservers=[f"{name_servers.HOST}:{self.names.port}"])

    async def look_up_before(self, url: str) -> None:
        """As one who checks a name before another one connects to it."""
        resolver = self.resolver()
        try:
            (found,) = await resolver.resolve(URL(url).host or "", self.port, socket.AF_UNSPEC)
        finally:
            await resolver.close()
        assert found["host"] == SITE


@asynccontextmanager
async def hostile_place(
    pages: Mapping[str, Page] = {}, names: Mapping[str, Known] = {}
) -> AsyncIterator[HostilePlace]:
    """With these pages and names beside those of the table."""
    port = free_port()
    async with AsyncExitStack() as stack:
        all_pages = {**_pages(port), **pages}
        site = await stack.enter_async_context(web_server(all_pages, host=SITE, port=port))
        forbidden = [
            await stack.enter_async_context(web_server({"/secret.png": image(PNG)}, host=host, port=port))
            for host in FORBIDDEN
        ]
        yield HostilePlace(
            site, tuple(forbidden), await stack.enter_async_context(name_server({**NAMES, **names}))
        )


def told_of_places(text: str) -> list[str]:
    """Addresses, names and paths that an error tells beside what was asked, which is its first word."""
    return re.findall(r"\d+\.\d+\.\d+|::|localhost|\.test|//|/etc", text.partition(" ")[2])


def _pages(port: int) -> dict[str, Page]:
    redirects = [row.on(port) for row in TABLE if row.trick == "redirect"]
    answers = {f"/answers/{name.replace(' ', '-')}": page for name, (page, _) in ANSWERS.items()}
    return answers | {URL(row.url).raw_path: redirect(row.location) for row in redirects}

"""Every hostile URL of the table against real servers: it is refused for its own reason, and 127.0.0.1 and ::1 are
never connected to.

The downloader is as in production but for its name server, which is the table's, and for the one network and the one
port that it may use.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from attrs import frozen
from yarl import URL

from gateway.fetch.downloader import Downloader
from gateway.fetch.failures import DownloadError
from gateway.fetch.settings import FetchSettings
from tests.free_ports import free_port
from tests.hostile_urls import NAMES, SITE, TABLE, Hostile
from tests.servers import names as name_servers
from tests.servers.hostile_site import ANSWERS, MAX_BYTES, PNG, READ_S, TOTAL_S
from tests.servers.names import Alias, Known, NameServer, name_server
from tests.servers.web import Page, Site, image, redirect, web_server

FORBIDDEN = ("127.0.0.1", "::1")
ALLOWED_NAMES: dict[str, Known] = {
    "two.test": (SITE, SITE),
    "an-alias.test": Alias("photos.test"),
    "mixed.test": ("127.0.0.1", SITE, "::1"),
}
EACH = pytest.mark.parametrize("hostile", TABLE, ids=lambda hostile: f"{hostile.trick}: {hostile.name}")


@frozen
class World:
    """A site that may be asked, what must not be, and who would go there."""

    downloader: Downloader
    names: aiohttp.AsyncResolver
    """Another one who asks the same name server."""
    site: Site
    forbidden: tuple[Site, ...]

    @property
    def port(self) -> int:
        return self.site.port

    async def download(self, url: str) -> bytes:
        async with self.downloader.open(url) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def accepts(self) -> int:
        """How often the forbidden ones were connected to so far, but for one last time by us, behind all others."""
        for site in self.forbidden:
            before = site.accepted
            _, writer = await asyncio.open_connection(site.host, site.port)
            writer.close()
            async with asyncio.timeout(5):
                while site.accepted == before:
                    await asyncio.sleep(0)
        return sum(site.accepted - 1 for site in self.forbidden)


def pages_on(port: int) -> dict[str, Page]:
    redirects = [row.on(port) for row in TABLE if row.trick == "redirect"]
    good = {"/good.png": image(PNG), "/redirects/to-good": redirect(f"http://photos.test:{port}/good.png")}
    answers = {f"/answers/{name.replace(' ', '-')}": page for name, (page, _) in ANSWERS.items()}
    return good | answers | {URL(row.url).raw_path: redirect(row.location) for row in redirects}


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    port = free_port()
    settings = FetchSettings(
        allowed_networks=(f"{SITE}/32",),
        allowed_ports=(80, 443, port),
        denied_domains=("denied.test",),
        connect_timeout_s=5,
        read_timeout_s=READ_S,
        total_timeout_s=TOTAL_S,
    )
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(web_server(pages_on(port), host=SITE, port=port))
        forbidden = [
            await stack.enter_async_context(web_server({"/secret.png": image(PNG)}, host=host, port=port))
            for host in FORBIDDEN
        ]
        names = await stack.enter_async_context(name_server({**NAMES, **ALLOWED_NAMES}))
        theirs, another = asking(names), asking(names)
        stack.push_async_callback(theirs.close)
        stack.push_async_callback(another.close)
        downloader = await stack.enter_async_context(
            Downloader.create(settings, max_bytes=MAX_BYTES, resolver=theirs)
        )
        yield World(downloader, another, site, tuple(forbidden))


def asking(names: NameServer) -> aiohttp.AsyncResolver:
    return aiohttp.AsyncResolver(nameservers=[f"{name_servers.HOST}:{names.port}"])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


def test_the_table_has_hundreds_of_urls_each_with_a_name_of_its_own() -> None:
    assert (
        len({row.url for row in TABLE}) == len({(row.trick, row.name) for row in TABLE}) == len(TABLE) >= 200
    )


@EACH
async def test_a_hostile_url_is_refused(hostile: Hostile, world: World) -> None:
    hostile = hostile.on(world.port)
    if hostile.trick == "rebinding":
        await look_up_before(world, hostile.url)
    with pytest.raises(DownloadError) as caught:
        await world.download(hostile.url)
    assert caught.value.code == hostile.code
    assert told_of_places(caught.value) == []
    assert await world.accepts() == 0


async def look_up_before(world: World, url: str) -> None:
    """As one who checks a name before it connects."""
    (found,) = await world.names.resolve(URL(url).host or "", world.port, socket.AF_UNSPEC)
    assert found["host"] == SITE


def told_of_places(error: DownloadError) -> list[str]:
    """Addresses, names and paths that its line in the log tells beside what was asked, which is its first word."""
    return re.findall(r"\d+\.\d+\.\d+|::|localhost|\.test|//|/etc", str(error).partition(" ")[2])


# The same servers, names and downloader give what may be had: the refusals above have no other reason.


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2:{port}/good.png",
        "http://me:secret@127.0.0.2:{port}/good.png#part",
        "http://photos.test:{port}/good.png",
        "http://PHOTOS.test.:{port}/good.png",
        "http://two.test:{port}/good.png",
        "http://an-alias.test:{port}/good.png",
        "http://127.0.0.2:{port}/redirects/to-good",
    ],
)
async def test_what_is_allowed_comes_from_the_same_servers(world: World, url: str) -> None:
    assert await world.download(url.replace("{port}", str(world.port))) == PNG


async def test_a_name_that_has_an_allowed_address_beside_a_forbidden_one_is_asked_at_that_one(
    world: World,
) -> None:
    assert await world.download(f"http://mixed.test:{world.port}/good.png") == PNG
    assert await world.accepts() == 0


async def test_the_forbidden_servers_would_have_answered(world: World) -> None:
    """Where the operator allows them."""
    settings = FetchSettings(allowed_networks=("127.0.0.1/32", "::1/128"), allowed_ports=(world.port,))
    async with Downloader.create(settings, max_bytes=MAX_BYTES, resolver=world.names) as downloader:
        for host in ("127.0.0.1", "[::1]", "loopback.test", "loopback6.test", "long-chain.test", "both.test"):
            async with downloader.open(f"http://{host}:{world.port}/secret.png") as chunks:
                assert b"".join([chunk async for chunk in chunks]) == PNG
    assert await world.accepts() == 6

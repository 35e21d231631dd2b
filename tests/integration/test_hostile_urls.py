"""Every hostile URL of the table against real servers: it is refused for its own reason, and 127.0.0.1 and ::1 are
never connected to.

The downloader is as in production but for its name server, which is the table's, and for the one network and the one
port that it may use.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from attrs import frozen

from gateway.fetch.downloader import Downloader
from gateway.fetch.failures import DownloadError
from gateway.fetch.settings import FetchSettings
from tests.hostile_place import HostilePlace, hostile_place, told_of_places
from tests.hostile_urls import SITE, TABLE, Hostile
from tests.servers.hostile_site import MAX_BYTES, PNG
from tests.servers.names import Alias, Known
from tests.servers.web import image, redirect

ALLOWED_NAMES: dict[str, Known] = {
    "two.test": (SITE, SITE),
    "an-alias.test": Alias("photos.test"),
    "mixed.test": ("127.0.0.1", SITE, "::1"),
}
ANSWERS = [row for row in TABLE if row.trick == "answer"]
URLS = [row for row in TABLE if row.trick != "answer"]


def named(row: Hostile) -> str:
    return f"{row.trick}: {row.name}"


@frozen
class World:
    """A place, and a downloader in it."""

    place: HostilePlace
    downloader: Downloader

    async def download(self, url: str) -> bytes:
        async with self.downloader.open(url) as chunks:
            return b"".join([chunk async for chunk in chunks])


@asynccontextmanager
async def a_world(*, read_s: float = 30, total_s: float = 60) -> AsyncIterator[World]:
    """Patient, so that a slow machine makes nothing fail that would be refused."""
    pages = {"/good.png": image(PNG), "/to-good": redirect("/good.png")}
    async with hostile_place(pages, ALLOWED_NAMES) as place:
        settings = FetchSettings(
            allowed_networks=(f"{SITE}/32",),
            allowed_ports=(80, 443, place.port),
            denied_domains=("denied.test",),
            read_timeout_s=read_s,
            total_timeout_s=total_s,
        )
        resolver = place.resolver()
        async with Downloader.create(settings, max_bytes=MAX_BYTES, resolver=resolver) as downloader:
            yield World(place, downloader)
        await resolver.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


def test_the_table_has_hundreds_of_urls_each_with_a_name_of_its_own() -> None:
    assert (
        len({row.url for row in TABLE}) == len({(row.trick, row.name) for row in TABLE}) == len(TABLE) >= 200
    )


@pytest.mark.parametrize("hostile", URLS, ids=named)
async def test_a_hostile_url_is_refused(hostile: Hostile, world: World) -> None:
    await is_refused(hostile.on(world.place.port), world)


@pytest.mark.parametrize("hostile", ANSWERS, ids=named)
async def test_a_hostile_answer_is_refused(hostile: Hostile) -> None:
    async with a_world(read_s=2, total_s=4) as world:
        await is_refused(hostile.on(world.place.port), world)


async def is_refused(hostile: Hostile, world: World) -> None:
    if hostile.trick == "rebinding":
        await world.place.look_up_before(hostile.url)
    with pytest.raises(DownloadError) as caught:
        await world.download(hostile.url)
    assert caught.value.code == hostile.code
    assert told_of_places(str(caught.value)) == []
    assert await world.place.accepts() == 0


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
        "http://127.0.0.2:{port}/to-good",
    ],
)
async def test_what_is_allowed_comes_from_the_same_servers(world: World, url: str) -> None:
    assert await world.download(url.replace("{port}", str(world.place.port))) == PNG


async def test_a_name_that_has_an_allowed_address_beside_a_forbidden_one_is_asked_at_that_one(
    world: World,
) -> None:
    assert await world.download(f"http://mixed.test:{world.place.port}/good.png") == PNG
    assert await world.place.accepts() == 0


async def test_the_forbidden_servers_would_have_answered(world: World) -> None:
    """Where the operator allows them."""
    port = world.place.port
    settings = FetchSettings(allowed_networks=("127.0.0.1/32", "::1/128"), allowed_ports=(port,))
    resolver = world.place.resolver()
    async with Downloader.create(settings, max_bytes=MAX_BYTES, resolver=resolver) as downloader:
        for host in ("127.0.0.1", "[::1]", "loopback.test", "loopback6.test", "long-chain.test", "both.test"):
            async with downloader.open(f"http://{host}:{port}/secret.png") as chunks:
                assert b"".join([chunk async for chunk in chunks]) == PNG
    await resolver.close()
    assert await world.place.accepts() == 6

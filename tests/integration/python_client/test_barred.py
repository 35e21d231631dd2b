"""The Python client follows jobs of a real gateway behind a real proxy that lets no WebSocket pass, or no stream."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.client import FROM_THE_START, Event, GatewayClient, Refused
from gateway.client.live.each_alone import AT_ONCE
from gateway.shell.submit import BATCHES_AT_ONCE
from tests.client_calls import DEADLINE_S, Waits, all_of
from tests.commands import run
from tests.free_ports import free_port
from tests.photos import a_jpeg
from tests.servers.barring_sites import (
    DROPPED,
    asked_of,
    holding_back,
    never_answering_upgrades,
    passing_upgrades,
    refusing_upgrades,
    taking_upgrades_away,
    upgraded_by,
)
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.nginx import HOST, Site, running_nginx
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.serving import serving

SOON_S = 3.0
"""To a client in a hurry, a door that tells nothing for so long is shut."""
IMAGES = 30
PHOTOS = [(f"{index}.jpg", a_jpeg(64 + index)) for index in range(IMAGES)]
STATUSES = [400, 403, 404, 426, 501, 502]

BARS = {str(status): refusing_upgrades(status) for status in STATUSES} | {
    "dropped": refusing_upgrades(DROPPED),
    "taken away": taking_upgrades_away(),
}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(tmp_path / "data") as gateway:
        yield gateway


@asynccontextmanager
async def client_behind(
    site: Site, gateway: QuietGateway | Gateway, folder: Path, *, is_hurried: bool = False
) -> AsyncIterator[GatewayClient]:
    """Afterwards the proxy's log is complete: what it is asked last is answered when all else has ended."""
    async with running_nginx(folder / "nginx", site, behind=gateway.port) as port:
        url = f"http://{HOST}:{port}"
        silence_s = SOON_S if is_hurried else DEADLINE_S
        async with GatewayClient(url, patience_s=DEADLINE_S, silence_s=silence_s, spread_s=0.5) as client:
            yield client
        async with GatewayClient(url) as other:
            await other.check()


@asynccontextmanager
async def killed_once(
    tmp_path: Path, is_held_back: bool
) -> AsyncIterator[tuple[GatewayClient, Callable[[], Awaitable[None]]]]:
    """A client, and what kills its gateway at the first call; it starts again while the client asks for it."""
    restarts: list[asyncio.Task[None]] = []
    async with (
        running_gateway(tmp_path / "data") as gateway,
        client_behind(barring_site(is_held_back), gateway, tmp_path, is_hurried=is_held_back) as client,
        asyncio.TaskGroup() as tasks,
    ):

        async def kill() -> None:
            if not restarts:
                await gateway.kill()
                restarts.append(tasks.create_task(gateway.start()))

        yield client, kill
    assert len(restarts) == 1


def barring_site(is_held_back: bool) -> Site:
    """It lets no WebSocket pass, and then no stream either."""
    return holding_back(BARS["403"]) if is_held_back else BARS["403"]


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """It takes what comes, and says nothing."""
    port = free_port()

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass

    async with serving(listen, HOST, port):
        yield port


async def follow_to_the_end(gateway: QuietGateway, client: GatewayClient) -> Waits:
    """A job of three images: one has ended before, each other one ends when the end before it was told."""
    job_id, waits = (await gateway.accept(images=3)).job_id, Waits()
    await gateway.complete(job_id, 2)

    async def act(event: Event) -> None:
        match event.image and event.image.index:
            case 2:
                await gateway.fail(job_id, 0)
            case 0:
                await gateway.complete(job_id, 1)

    events = await all_of(client.follow(job_id, FROM_THE_START, on_wait=waits), act)
    async with GatewayClient(f"http://{HOST}:{gateway.port}") as near:
        assert facts_of(events) == facts_of(await all_of(near.follow(job_id, FROM_THE_START)))
    return waits


def facts_of(events: list[Event]) -> list[object]:
    """What is told at whichever door; states between ends may be left out."""
    return [
        (
            event.id,
            event.type,
            event.ended,
            event.failed,
            event.status,
            event.resumed,
            event.image,
            event.outcome,
        )
        for event in events
        if event.image or event.is_last or event.resumed is not None
    ]


@pytest.mark.parametrize("site", BARS.values(), ids=list(BARS))
async def test_without_websockets_the_same_is_told_and_nobody_hears_of_it(gateway, tmp_path, site):
    async with client_behind(site, gateway, tmp_path) as client:
        waits = await follow_to_the_end(gateway, client)
    asked = asked_of(tmp_path / "nginx")
    assert (waits.reasons, asked["events"], asked["results"]) == ([], 1, 0)
    assert asked["ws"] >= 1  # aiohttp by itself asks once more where it was dropped


async def test_so_it_is_where_an_upgrade_is_never_answered(gateway, tmp_path):
    async with (
        silent_server() as port,
        client_behind(never_answering_upgrades(port), gateway, tmp_path, is_hurried=True) as client,
    ):
        waits = await follow_to_the_end(gateway, client)
    assert (waits.reasons, asked_of(tmp_path / "nginx")) == ([], {"ws": 1, "events": 1})


@pytest.mark.parametrize("bar", ["403", "taken away"])
async def test_so_it_is_where_streams_are_held_back_too(gateway, tmp_path, bar):
    async with client_behind(holding_back(BARS[bar]), gateway, tmp_path, is_hurried=True) as client:
        waits = await follow_to_the_end(gateway, client)
    asked = asked_of(tmp_path / "nginx")
    assert (waits.reasons, asked["ws"], asked["events"]) == ([], 1, 1)
    assert asked["results"] > 0


@pytest.mark.parametrize("is_held_back", [False, True])
async def test_a_client_remembers_which_door_was_open(gateway, tmp_path, is_held_back):
    async with client_behind(
        barring_site(is_held_back), gateway, tmp_path, is_hurried=is_held_back
    ) as client:
        for _ in range(3):
            await follow_to_the_end(gateway, client)
    asked = asked_of(tmp_path / "nginx")
    assert (asked["ws"], asked["events"]) == (1, 1 if is_held_back else 3)


@pytest.mark.parametrize("is_held_back", [False, True])
async def test_who_has_seen_the_end_of_a_job_is_told_of_it_again(gateway, tmp_path, is_held_back):
    job_id = (await gateway.accept(images=1)).job_id
    await gateway.complete(job_id, 0)
    async with client_behind(
        barring_site(is_held_back), gateway, tmp_path, is_hurried=is_held_back
    ) as client:
        last = (await client.status(job_id)).id
        for _ in range(2):
            events = await all_of(client.follow(job_id, last, images=True))
    assert asked_of(tmp_path / "nginx") == {
        "ws": 1,
        "events": 2,
    }  # an answer without any content is passed on
    assert [(event.type, event.id, event.resumed) for event in events] == [
        ("progress", last, False),
        ("job_complete", last, None),
    ]
    assert [image.status for image in events[0].images] == ["completed"]


@pytest.mark.parametrize("is_held_back", [False, True])
async def test_the_present_state_comes_first_and_has_all_images(gateway, tmp_path, is_held_back):
    job_id = (await gateway.accept(images=2)).job_id
    await gateway.complete(job_id, 1)

    async def act(event: Event) -> None:
        if event.resumed is not None:
            await gateway.complete(job_id, 0)

    async with client_behind(
        barring_site(is_held_back), gateway, tmp_path, is_hurried=is_held_back
    ) as client:
        first, *others = await all_of(client.follow(job_id, images=True), act)
    assert (first.resumed, [image.status for image in first.images]) == (False, ["pending", "completed"])
    assert [event.image.index for event in others if event.image] == [0]


@pytest.mark.parametrize("is_held_back", [False, True])
async def test_a_job_that_is_deleted_meanwhile_is_not_there(gateway, tmp_path, is_held_back):
    job_id = (await gateway.accept(images=1)).job_id
    async with client_behind(
        barring_site(is_held_back), gateway, tmp_path, is_hurried=is_held_back
    ) as client:
        with pytest.raises(Refused, match=f"There is no job {job_id}"):
            await all_of(client.follow(job_id), lambda _: gateway.ledger.delete(job_id))


async def test_many_jobs_are_followed_one_by_one_and_one_that_is_not_there_is_told(gateway, tmp_path):
    """More than are followed at once."""
    job_ids = [(await gateway.accept(images=1)).job_id for _ in range(AT_ONCE + 2)]
    absent, lost, waits = "00000000-0000-4000-8000-000000000000", dict[str, Refused](), Waits()

    async def act(event: Event) -> None:
        if event.resumed is not None:
            await gateway.complete(event.job_id, 0)

    async with client_behind(BARS["403"], gateway, tmp_path) as client:
        coming = client.follow_many([absent, *job_ids], on_lost=lost.__setitem__, on_wait=waits)
        events = await all_of(coming, act)
    assert (list(lost), waits.reasons) == ([absent], [])
    for job_id in job_ids:
        told = [event.type for event in events if event.job_id == job_id]
        assert told == ["progress", "image_complete", "job_complete"]


@pytest.mark.parametrize("is_held_back", [False, True])
async def test_over_a_kill_of_the_gateway_nothing_is_lost_or_told_twice(tmp_path, is_held_back):
    """It starts again while the client asks for it."""
    async with killed_once(tmp_path, is_held_back) as (client, kill):
        _, coming = await client.submit_and_follow(PHOTOS)

        async def act(event: Event) -> None:
            if event.ended >= 3:
                await kill()

        events = await all_of(coming, act)
    numbers = [int(event.id.rpartition(":")[2]) for event in events]
    assert Counter(event.image.index for event in events if event.image) == Counter(range(IMAGES))
    assert numbers == sorted(set(numbers))
    assert [event.ended for event in events] == sorted(event.ended for event in events)
    assert events[-1].is_last


@pytest.mark.parametrize("is_held_back", [False, True])
async def test_so_it_is_with_many_jobs_that_are_followed_one_by_one(tmp_path, is_held_back):
    async with killed_once(tmp_path, is_held_back) as (client, kill):
        job_ids = [(await client.submit(PHOTOS[start::3])).job_id for start in range(3)]

        async def act(event: Event) -> None:
            if event.ended:
                await kill()

        coming = client.follow_many(job_ids, dict.fromkeys(job_ids, FROM_THE_START))
        events = await all_of(coming, act)
    for job_id in job_ids:
        told = [event for event in events if event.job_id == job_id]
        numbers = [int(event.id.rpartition(":")[2]) for event in told]
        assert Counter(event.image.index for event in told if event.image) == Counter(range(IMAGES // 3))
        assert numbers == sorted(set(numbers))
        assert told[-1].is_last


@pytest.mark.parametrize("is_held_back", [False, True])
async def test_a_folder_is_submitted_behind_such_a_proxy_without_a_word_of_it(tmp_path, is_held_back):
    """In more batches than are under way at once, with copies."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(2 * BATCHES_AT_ONCE):
        (photos / f"{index}.jpg").write_bytes(a_jpeg(64 + index))
    async with (
        running_gateway(tmp_path / "data") as gateway,
        running_nginx(tmp_path / "nginx", barring_site(is_held_back), behind=gateway.port) as port,
    ):
        out = tmp_path / "out"
        ended = await run(
            "submit", photos, "--gateway", f"http://{HOST}:{port}", "--batch-size", 1, "--output", out
        )
    assert (ended.code, ended.err, "waiting" in ended.out) == (0, "", False)
    assert ended.lines[-1] == f"{2 * BATCHES_AT_ONCE} of {2 * BATCHES_AT_ONCE} tagged, copies in {out}/"
    assert asked_of(tmp_path / "nginx")["ws"] <= BATCHES_AT_ONCE


async def test_a_gateway_that_is_away_is_not_taken_for_a_proxy_that_bars(tmp_path):
    """Meanwhile all its doors are shut. When it is there again, it is followed by WebSocket."""
    async with (
        running_gateway(tmp_path / "data") as gateway,
        client_behind(passing_upgrades(), gateway, tmp_path) as client,
    ):
        job_id = (await client.submit([("a.jpg", a_jpeg())])).job_id
        await gateway.kill()
        waits = Waits()
        following = asyncio.create_task(all_of(client.follow(job_id, on_wait=waits)))
        async with asyncio.timeout(DEADLINE_S):
            await waits.some.wait()
        await gateway.start()
        assert (await following)[-1].is_last
    assert {str(reason) for reason in waits.reasons} == {
        f"a proxy before the gateway at {client.address} gets no answer from it (HTTP status 502)"
    }
    assert upgraded_by(tmp_path / "nginx") == 1

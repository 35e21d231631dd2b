"""The Python client follows jobs of real gateways that are killed, stopped, restored from a backup, or cut off."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.client import FROM_THE_START, Closed, Event, GatewayClient, Image, JobList, Unreachable
from gateway.client.sources import ImageSource
from gateway.events.settings import SubscriberSettings
from tests.client_calls import DEADLINE_S, Waits, all_of
from tests.photos import a_jpeg
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy
from tests.servers.web import Site, held, image, web_server

IMAGES = 30
LATE = 10
"""Of them: those that the gateway fetches, and gets once the outage is over. So no job ends before it."""

HEARTBEAT_S = 2.0
SILENCE_S = 2.5 * HEARTBEAT_S
"""After which a gateway with such heartbeats is taken for dead."""

Outage = Callable[[Gateway], Awaitable[None]]


@pytest.fixture
async def is_over() -> asyncio.Event:
    """The outage, for the site of the late images."""
    return asyncio.Event()


@pytest.fixture
async def site(is_over: asyncio.Event) -> AsyncIterator[Site]:
    late = {
        f"/{index}.jpg": image(a_jpeg(64 + index), "image/jpeg") for index in range(IMAGES - LATE, IMAGES)
    }
    async with web_server({path: held(is_over, page) for path, page in late.items()}) as site:
        yield site


@pytest.fixture
def photos(site: Site) -> list[ImageSource]:
    sent = [(f"{index}.jpg", a_jpeg(64 + index)) for index in range(IMAGES - LATE)]
    return [*sent, *map(site.url, site.pages)]


@pytest.fixture
async def gateway(site: Site, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path / "data", fetch_allowed_networks=site.network, fetch_allowed_ports=site.port
    ) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(gateway.base_url, patience_s=DEADLINE_S, spread_s=0.5) as client:
        yield client


async def kill_and_start(gateway: Gateway) -> None:
    await gateway.kill()
    await gateway.start()


def numbers_of(events: list[Event]) -> list[int]:
    return [int(event.id.rpartition(":")[2]) for event in events]


def ends_of(events: list[Event]) -> Counter[int]:
    """How often the end of each image was told."""
    return Counter(event.image.index for event in events if event.image)


@pytest.mark.parametrize(
    ("outage", "code"), [(kill_and_start, 1006), (Gateway.restart, 1001)], ids=["killed", "stopped"]
)
async def test_a_job_whose_gateway_goes_and_comes_back_is_told_without_gap_or_repeat(
    gateway: Gateway,
    client: GatewayClient,
    photos: list[ImageSource],
    is_over: asyncio.Event,
    outage: Outage,
    code: int,
):
    waits = Waits()
    _, coming = await client.submit_and_follow(photos, on_wait=waits)

    async def act(event: Event) -> None:
        if event.ended == 3 and not is_over.is_set():
            await outage(gateway)
            is_over.set()

    events = await all_of(coming, act)
    assert isinstance(waits.reasons[0], Closed)
    assert waits.reasons[0].code == code
    assert (events[0].type, events[0].resumed, events[-1].type) == ("progress", True, "job_complete")
    assert ends_of(events) == Counter(range(IMAGES))
    assert numbers_of(events) == sorted(set(numbers_of(events)))


async def test_a_job_that_was_restored_from_a_backup_begins_anew_and_tells_no_end_twice(
    gateway: Gateway,
    client: GatewayClient,
    photos: list[ImageSource],
    is_over: asyncio.Event,
    tmp_path: Path,
):
    job_id = (await client.submit(photos)).job_id
    await gateway.kill()
    shutil.copytree(gateway.data_dir, tmp_path / "backup")
    await gateway.start()
    waits = Waits()

    async def act(event: Event) -> None:
        if event.ended == 5 and not is_over.is_set():
            await gateway.kill()
            shutil.rmtree(gateway.data_dir)
            shutil.copytree(tmp_path / "backup", gateway.data_dir)
            await gateway.start()
            is_over.set()

    events = await all_of(client.follow(job_id, FROM_THE_START, images=True, on_wait=waits), act)
    told_by_states = {image.index for event in events for image in event.images if image.is_final}
    assert events[-1].is_last
    assert [event.resumed for event in events].count(False) <= 1
    assert max(ends_of(events).values()) == 1
    assert set(ends_of(events)) | told_by_states == set(range(IMAGES))
    counts = [event.ended for event in events if not event.image]
    assert counts == sorted(counts)


async def test_many_jobs_whose_gateway_is_killed_are_told_without_gap_or_repeat(
    gateway: Gateway, client: GatewayClient, photos: list[ImageSource], is_over: asyncio.Event
):
    job_ids = [(await client.submit(photos[start::3])).job_id for start in range(3)]
    waits, from_the_start = Waits(), dict.fromkeys(job_ids, FROM_THE_START)

    async def act(event: Event) -> None:
        if event.ended == 3 and not is_over.is_set():
            await kill_and_start(gateway)
            is_over.set()

    events = await all_of(client.follow_many(job_ids, from_the_start, on_wait=waits), act)
    assert waits.reasons != []
    for job_id in job_ids:
        of_job = [event for event in events if event.job_id == job_id]
        assert ends_of(of_job) == Counter(range(IMAGES // 3))
        assert numbers_of(of_job) == sorted(set(numbers_of(of_job)))
        assert of_job[-1].is_last


async def test_results_whose_gateway_is_killed_come_without_gap_or_repeat(
    gateway: Gateway, client: GatewayClient, photos: list[ImageSource], is_over: asyncio.Event
):
    job_id, waits = (await client.submit(photos)).job_id, Waits()
    indices: list[int] = []

    async def act(image: Image) -> None:
        indices.append(image.index)
        if len(indices) == 3:
            await kill_and_start(gateway)
            is_over.set()

    await all_of(client.results(job_id, follow=True, on_wait=waits), act)
    assert waits.reasons != []
    assert sorted(indices) == list(range(IMAGES))


async def test_all_jobs_are_told_again_after_a_kill(gateway: Gateway, client: GatewayClient):
    job_id = (await client.submit([("a.jpg", a_jpeg())])).job_id
    await all_of(client.follow(job_id))
    async with asyncio.timeout(DEADLINE_S), aclosing(client.follow_all()) as news:
        before = await anext(news)
        await kill_and_start(gateway)
        after = await anext(news)
    assert isinstance(before, JobList)
    assert isinstance(after, JobList)
    assert [job.job_id for job in after.jobs] == [job_id]
    assert before.id.partition(":")[0] != after.id.partition(":")[0]


class BehindAProxy:
    """A gateway with frequent heartbeats, which a client reaches by a proxy."""

    @pytest.fixture
    async def gateway(self, tmp_path: Path) -> AsyncIterator[QuietGateway]:
        settings = SubscriberSettings(heartbeat_s=HEARTBEAT_S)
        async with quiet_gateway(tmp_path, subscribers=settings) as gateway:
            yield gateway

    @pytest.fixture
    async def proxy(self, gateway: QuietGateway) -> AsyncIterator[TcpProxy]:
        async with tcp_proxy(gateway.port) as proxy:
            yield proxy

    @pytest.fixture
    async def client(self, proxy: TcpProxy) -> AsyncIterator[GatewayClient]:
        async with GatewayClient(f"http://127.0.0.1:{proxy.port}", patience_s=DEADLINE_S) as client:
            yield client


class TestHalfOpen(BehindAProxy):
    """A network that passes nothing any more, and does not say so."""

    async def test_a_connection_that_went_silent_is_left_and_nothing_is_lost(self, gateway, proxy, client):
        job_id = (await gateway.accept(images=2)).job_id
        waits = Waits()

        async def act(event: Event) -> None:
            if not waits.reasons and event.resumed is not None:
                proxy.freeze()
                await gateway.complete(job_id, 0)
                await gateway.complete(job_id, 1)

        events = await all_of(client.follow(job_id, on_wait=waits), act)
        assert ends_of(events) == Counter([0, 1])
        assert events[-1].is_last
        assert [type(reason) for reason in waits.reasons] == [Unreachable]
        assert "has said nothing" in str(waits.reasons[0])

    async def test_results_that_went_silent_are_asked_for_again(self, gateway, proxy):
        job_id, waits = (await gateway.accept(images=2)).job_id, Waits()
        await gateway.complete(job_id, 1)

        async def act(_: Image) -> None:
            if not waits.reasons:
                proxy.freeze()
                await gateway.complete(job_id, 0)

        async with GatewayClient(f"http://127.0.0.1:{proxy.port}", silence_s=SILENCE_S) as client:
            images = await all_of(client.results(job_id, follow=True, on_wait=waits), act)
        assert [image.index for image in images] == [1, 0]
        assert [type(reason) for reason in waits.reasons] == [Unreachable]

    async def test_a_handshake_that_is_never_answered_is_left(self, gateway, proxy):
        job_id = (await gateway.accept(images=1)).job_id
        await gateway.complete(job_id, 0)
        waits = Waits()
        proxy.stall()
        async with GatewayClient(f"http://127.0.0.1:{proxy.port}", silence_s=1.0) as client:
            following = asyncio.create_task(all_of(client.follow(job_id, on_wait=waits)))
            await waits.some.wait()
            proxy.flow()
            assert (await following)[-1].is_last
        assert isinstance(waits.reasons[0], Unreachable)


class TestQuiet(BehindAProxy):
    """Nothing happens for longer than a gateway without heartbeats may be silent."""

    async def test_a_caller_who_is_long_at_work_with_an_event_keeps_the_connection(
        self, gateway, proxy, client
    ):
        job_id, waits = (await gateway.accept(images=1)).job_id, Waits()

        async def act(event: Event) -> None:
            if event.resumed is not None:
                await asyncio.sleep(1.1 * SILENCE_S)
                await gateway.complete(job_id, 0)

        await all_of(client.follow(job_id, on_wait=waits), act)
        assert (waits.reasons, proxy.accepted) == ([], 1)

    async def test_heartbeats_keep_a_connection_on_which_nothing_happens(self, gateway, proxy, client):
        job_id = (await gateway.accept(images=1)).job_id
        waits = Waits()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(all_of(client.follow(job_id, on_wait=waits)))
            await asyncio.sleep(1.1 * SILENCE_S)
            await gateway.complete(job_id, 0)
        assert (waits.reasons, proxy.accepted) == ([], 1)

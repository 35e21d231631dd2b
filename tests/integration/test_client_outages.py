"""The Python client follows jobs of real gateways that are killed, stopped, restored from a backup, or cut off."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.client import FROM_THE_START, Closed, Event, GatewayClient, Unreachable
from gateway.events.settings import SubscriberSettings
from tests.photos import a_jpeg
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy
from tests.waits import Waits

IMAGES = 30
PHOTOS = [(f"{index}.jpg", a_jpeg(64 + index)) for index in range(IMAGES)]
TEST_S = 90

Outage = Callable[[Gateway], Awaitable[None]]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with asyncio.timeout(TEST_S), running_gateway(tmp_path / "data") as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(gateway.base_url, patience_s=TEST_S, spread_s=0.5) as client:
        yield client


async def kill_and_start(gateway: Gateway) -> None:
    await gateway.kill()
    await gateway.start()


async def all_of(events: AsyncGenerator[Event, None]) -> list[Event]:
    return [event async for event in events]


def numbers_of(events: list[Event]) -> list[int]:
    return [int(event.id.rpartition(":")[2]) for event in events]


def ends_of(events: list[Event]) -> Counter[int]:
    """How often the end of each image was told."""
    return Counter(event.image.index for event in events if event.image)


@pytest.mark.parametrize(
    ("outage", "code"), [(kill_and_start, 1006), (Gateway.restart, 1001)], ids=["killed", "stopped"]
)
async def test_a_job_whose_gateway_goes_and_comes_back_is_told_without_gap_or_repeat(
    gateway: Gateway, client: GatewayClient, outage: Outage, code: int
):
    waits = Waits()
    _, coming = await client.submit_and_follow(PHOTOS, on_wait=waits)
    events = []
    async for event in coming:
        events.append(event)
        if event.ended == 3 and not waits.reasons:
            await outage(gateway)
    assert isinstance(waits.reasons[0], Closed)
    assert waits.reasons[0].code == code
    assert (events[0].type, events[0].resumed, events[-1].type) == ("progress", True, "job_complete")
    assert ends_of(events) == Counter(range(IMAGES))
    assert numbers_of(events) == sorted(set(numbers_of(events)))


async def test_a_job_that_was_restored_from_a_backup_begins_anew_and_tells_no_end_twice(
    gateway: Gateway, client: GatewayClient, tmp_path: Path
):
    job_id = (await client.submit(PHOTOS)).job_id
    await gateway.kill()
    shutil.copytree(gateway.data_dir, tmp_path / "backup")
    await gateway.start()
    events, waits = list[Event](), Waits()
    async for event in client.follow(job_id, FROM_THE_START, images=True, on_wait=waits):
        events.append(event)
        if len(ends_of(events)) == 5 and not waits.reasons:
            await gateway.kill()
            shutil.rmtree(gateway.data_dir)
            shutil.copytree(tmp_path / "backup", gateway.data_dir)
            await gateway.start()
    told_by_states = {image.index for event in events for image in event.images if image.is_final}
    assert events[-1].is_last
    assert max(ends_of(events).values()) == 1
    assert set(ends_of(events)) | told_by_states == set(range(IMAGES))
    counts = [event.ended for event in events if not event.image]
    assert counts == sorted(counts)


class TestHalfOpen:
    """A network that passes nothing any more, and does not say so."""

    @pytest.fixture
    async def gateway(self, tmp_path: Path) -> AsyncIterator[QuietGateway]:
        settings = SubscriberSettings(heartbeat_s=0.2)
        async with asyncio.timeout(TEST_S), quiet_gateway(tmp_path, subscribers=settings) as gateway:
            yield gateway

    @pytest.fixture
    async def proxy(self, gateway: QuietGateway) -> AsyncIterator[TcpProxy]:
        async with tcp_proxy(gateway.port) as proxy:
            yield proxy

    @pytest.fixture
    async def client(self, proxy: TcpProxy) -> AsyncIterator[GatewayClient]:
        async with GatewayClient(f"http://127.0.0.1:{proxy.port}", patience_s=TEST_S) as client:
            yield client

    async def test_a_connection_that_went_silent_is_left_and_nothing_is_lost(self, gateway, proxy, client):
        job_id = (await gateway.accept(images=2)).job_id
        waits, events = Waits(), []
        async for event in client.follow(job_id, on_wait=waits):
            events.append(event)
            if not waits.reasons and not event.image:
                proxy.freeze()
                await gateway.complete(job_id, 0)
                await gateway.complete(job_id, 1)
        assert ends_of(events) == Counter([0, 1])
        assert events[-1].is_last
        assert [type(reason) for reason in waits.reasons] == [Unreachable]
        assert "has said nothing" in str(waits.reasons[0])

    async def test_a_caller_who_is_long_at_work_with_an_event_keeps_the_connection(
        self, gateway, proxy, client
    ):
        job_id, waits = (await gateway.accept(images=1)).job_id, Waits()
        async for event in client.follow(job_id, on_wait=waits):
            if event.resumed is not None:
                await asyncio.sleep(1.0)
                await gateway.complete(job_id, 0)
        assert (waits.reasons, proxy.accepted) == ([], 1)

    async def test_a_handshake_that_is_never_answered_is_left(self, gateway, proxy):
        job_id = (await gateway.accept(images=1)).job_id
        await gateway.complete(job_id, 0)
        waits = Waits()
        proxy.stall()
        async with GatewayClient(f"http://127.0.0.1:{proxy.port}", silence_s=0.3) as client:
            following = asyncio.create_task(all_of(client.follow(job_id, on_wait=waits)))
            await waits.some.wait()
            proxy.flow()
            assert (await following)[-1].is_last
        assert isinstance(waits.reasons[0], Unreachable)

    async def test_heartbeats_keep_a_connection_on_which_nothing_happens(self, gateway, proxy, client):
        job_id = (await gateway.accept(images=1)).job_id
        waits = Waits()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(all_of(client.follow(job_id, on_wait=waits)))
            await asyncio.sleep(1.0)
            await gateway.complete(job_id, 0)
        assert (waits.reasons, proxy.accepted) == ([], 1)

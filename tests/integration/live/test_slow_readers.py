"""Who does not read, or reads slowly, holds up nobody, costs little, and misses nothing that counts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.domain import transitions
from gateway.domain.job import Job
from gateway.events.peer import ROOM_BYTES
from gateway.events.send_queue import UNSENT_BYTES, untaken_bytes
from gateway.events.settings import SubscriberSettings
from tests.integration.live.job_socket import all_failed
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.traced_memory import TracedMemory, traced_memory
from tests.websocket.slow_socket import SlowSocket, connected_slowly, slow_socket

HEARTBEAT_S = 4.0
STALLED = 50
UPDATES = 2000


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    """Signs of life come often: who is taken for dead is so soon."""
    subscribers = SubscriberSettings(heartbeat_s=HEARTBEAT_S)
    async with quiet_gateway(tmp_path, subscribers=subscribers) as gateway:
        yield gateway


def path_of(job: Job, after: str | None = None) -> str:
    return f"/api/v1/batch/{job.job_id}/ws" + (f"?after={after}" if after else "")


async def fail(gateway: QuietGateway, job: Job, first: int, count: int, text: str = "x" * 100) -> Job:
    return await gateway.change(job.job_id, lambda job: all_failed(job, range(first, first + count), text))


async def one_that_reads(gateway: QuietGateway, job: Job, images: int) -> list[int]:
    """Whose end it was told of, until there are so many of them."""
    ends: list[int] = []
    async with asyncio.timeout(PATIENCE_S), gateway.http.ws_connect(path_of(job, "0")) as socket:
        while len(ends) < images:
            told = (await socket.receive()).json()
            if told["type"] == "image_complete":
                ends.append(told["image"]["index"])
    return ends


def connections(gateway: QuietGateway) -> int:
    registry = gateway.context.metrics.instruments.registry
    return int(registry.get_sample_value("gateway_websocket_connections") or 0)


def closed_by(gateway: QuietGateway, code: int) -> int:
    """Connections; 4000 is seen here alone, for one that reads nothing can't be told."""
    registry = gateway.context.metrics.instruments.registry
    return int(registry.get_sample_value("gateway_websocket_closed_total", {"code": str(code)}) or 0)


async def until_left(gateway: QuietGateway, there: int = 0) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while connections(gateway) > there:
            await asyncio.sleep(0.02)


async def stalled(gateway: QuietGateway, job: Job, count: int, stack: AsyncExitStack) -> list[SlowSocket]:
    """So many that read nothing."""
    sockets = [await connected_slowly(gateway.port, path_of(job)) for _ in range(count)]
    for each in sockets:
        stack.callback(each.connected.close)
    return sockets


async def memory_with(gateway: QuietGateway, stalled_readers: int) -> TracedMemory:
    """After many updates, once all of them were told to who would take them."""
    job = await gateway.accept(images=UPDATES)
    async with AsyncExitStack() as stack:
        await stalled(gateway, job, stalled_readers, stack)
        with gateway.context.hub.listen(job.job_id), traced_memory() as traced:
            job = await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
            topic = gateway.context.hub.topic(job.job_id)
            async with asyncio.timeout(PATIENCE_S):
                while topic.told < job.seq:
                    await asyncio.sleep(0.01)
            assert job.seq > UPDATES
            assert connections(gateway) >= stalled_readers, "too late to see what they hold"
    await until_left(gateway)
    return traced


async def test_readers_that_stand_still_hold_little_memory_however_much_there_is_for_them(
    quiet: QuietGateway,
) -> None:
    without = await memory_with(quiet, 0)
    with_them = await memory_with(quiet, STALLED)
    each = (with_them.held_bytes - without.held_bytes) / STALLED
    assert each < 2 * ROOM_BYTES, f"{each:.0f} bytes"


async def test_little_of_it_stands_in_the_kernel(quiet: QuietGateway) -> None:
    """Which would take megabytes, and hold them for each."""
    job = await quiet.accept(images=400)
    async with AsyncExitStack() as stack:
        await stalled(quiet, job, 1, stack)
        ours = the_only_transport(quiet)
        await fail(quiet, job, 0, 399, "x" * 10_000)
        async with asyncio.timeout(PATIENCE_S):
            while ours.get_write_buffer_size() < ROOM_BYTES // 2:
                await asyncio.sleep(0.01)
        assert untaken_bytes(ours) - ours.get_write_buffer_size() < 2 * UNSENT_BYTES


def the_only_transport(gateway: QuietGateway) -> asyncio.WriteTransport:
    assert gateway.runner.server is not None
    (protocol,) = gateway.runner.server.connections
    assert isinstance(protocol.transport, asyncio.WriteTransport)
    return protocol.transport


async def test_one_that_reads_nothing_is_cut_off_and_comes_back_to_every_final_state(
    quiet: QuietGateway,
) -> None:
    gateway = quiet
    job = await gateway.accept(images=1000)
    async with slow_socket(gateway.port, path_of(job)) as deaf:
        await deaf.read_until(lambda: bool(deaf.messages))
        seen = deaf.messages[-1]["id"]
        stopped = time.monotonic()
        await fail(gateway, job, 0, 999)
        await until_left(gateway)
        took_s = time.monotonic() - stopped
    assert took_s > 9
    assert closed_by(gateway, 4000) == 1
    job = await gateway.fail(job.job_id, 999)
    async with slow_socket(gateway.port, path_of(job, seen)) as back:
        await back.read_to_the_end()
    assert back.messages[0]["resumed"]
    assert back.images() == list(range(1000))
    assert (back.messages[-1]["type"], back.close_code) == ("job_complete", 1000)


async def test_others_hear_at_once_while_some_read_nothing(gateway: QuietGateway) -> None:
    job = await gateway.accept(images=1000)
    async with AsyncExitStack() as stack:
        await stalled(gateway, job, 20, stack)
        reading = asyncio.create_task(one_that_reads(gateway, job, 999))
        for first in range(0, 999, 37):
            await fail(gateway, job, first, 37)
        async with asyncio.timeout(PATIENCE_S):
            assert await reading == list(range(999))
        assert connections(gateway) >= 20


async def test_a_slow_reader_is_not_cut_off_and_hears_the_end(gateway: QuietGateway) -> None:
    """At 1 kB/s what it has taken is seen in the kernel alone, and pings reach it late."""
    job = await gateway.accept(images=400)
    async with slow_socket(gateway.port, path_of(job)) as slow:
        await fail(gateway, job, 0, 399)
        reading_until = time.monotonic() + 16
        await slow.read_at(1000, lambda: time.monotonic() > reading_until)
        assert not slow.has_ended
        await gateway.fail(job.job_id, 399)
        await slow.read_to_the_end()
    assert slow.images() == list(range(400))
    assert (slow.messages[-1]["type"], slow.close_code) == ("job_complete", 1000)


async def test_a_slow_reader_is_still_reading_when_the_job_has_ended(gateway: QuietGateway) -> None:
    """The goodbye stands behind more than the kernel takes, and is not waited for in vain."""
    job = await gateway.accept(images=120)
    async with slow_socket(gateway.port, path_of(job)) as slow:
        await fail(gateway, job, 0, 120, "x" * 1000)
        await slow.read_at(30_000, lambda: False)
    assert slow.images() == list(range(120))
    assert slow.close_code == 1000


async def test_what_a_slow_reader_misses_meanwhile_is_merged(gateway: QuietGateway) -> None:
    job = await gateway.accept(images=400)
    async with slow_socket(gateway.port, path_of(job)) as slow:
        await slow.read_until(lambda: bool(slow.messages))
        await fail(gateway, job, 0, 300)
        for index in range(300, 400):
            await gateway.publish(job.job_id, index)
        await fail(gateway, job, 300, 100)
        await slow.read_to_the_end()
    assert slow.images() == list(range(400))
    progress = [told for told in slow.messages[1:] if told["type"] == "progress"]
    assert len(progress) < 50


async def test_a_burst_of_2000_events_reaches_one_that_reads(gateway: QuietGateway) -> None:
    job = await gateway.accept(images=2000)
    reading = asyncio.create_task(frames_of(gateway, job))
    await until_connected(gateway)
    await fail(gateway, job, 0, 2000)
    told = await reading
    assert [each["image"]["index"] for each in told if each["type"] == "image_complete"] == list(range(2000))
    assert told[-1]["type"] == "job_complete"


async def frames_of(gateway: QuietGateway, job: Job) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S), gateway.http.ws_connect(path_of(job)) as socket:
        told = [message.json() async for message in socket if message.type is aiohttp.WSMsgType.TEXT]
        assert socket.close_code == 1000
        return told


async def until_connected(gateway: QuietGateway, there: int = 1) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while connections(gateway) < there:
            await asyncio.sleep(0.01)

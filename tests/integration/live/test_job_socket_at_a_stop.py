"""A gateway that stops sends away all who follow a job by WebSocket."""

import asyncio
from contextlib import closing

import aiohttp
import pytest

from gateway.api.live.audience import LEAVE_S
from tests.integration.live.job_socket import (
    a_deaf_subscriber,
    closed,
    failed_with,
    following,
    frame,
    path_of,
)
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway


async def test_a_gateway_that_stops_sends_everybody_away_with_1001_at_once(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as one, following(quiet, job) as other:
        await frame(one)
        await frame(other)
        codes = asyncio.gather(*(closed(websocket) for websocket in (one, other)))
        async with asyncio.timeout(2):
            await quiet.stop_doors()
            assert await codes == [1001, 1001]


async def test_a_subscriber_that_was_busy_when_the_gateway_stopped_sees_1001_too(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as websocket:
        await frame(websocket)
        stopping = asyncio.create_task(quiet.stop_doors())
        await asyncio.sleep(0.5)
        assert not stopping.done()
        assert await closed(websocket) == 1001
        await stopping


async def test_the_goodbye_follows_the_frame_that_was_being_sent(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    loop, received = asyncio.get_running_loop(), b""
    with closing(await a_deaf_subscriber(quiet, job)) as slow:
        for index in range(2):
            await quiet.change(job.job_id, lambda job, index=index: failed_with(job, index, "x" * 1_000_000))  # type: ignore[misc]
        async with asyncio.timeout(PATIENCE_S):
            while b"xx" not in received:  # the first of the two has begun
                received = await loop.sock_recv(slow, 1000)
            stopping = asyncio.create_task(quiet.stop_doors())
            while chunk := await loop.sock_recv(slow, 1 << 20):
                received = received[-10:] + chunk
        await stopping
    assert received[-4:] == b"\x88\x02\x03\xe9"  # a close frame with 1001 (RFC 6455, section 5.5.1)


async def test_silent_subscribers_delay_the_stop_by_the_time_of_one(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    silent = [await a_deaf_subscriber(quiet, job) for _ in range(20)]
    async with asyncio.timeout(5 * LEAVE_S):
        await quiet.stop_doors()
    for each in silent:
        each.close()


async def test_a_gateway_that_stops_takes_no_subscriber(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    quiet.context.background.ask_to_stop()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await quiet.http.ws_connect(path_of(job))
    assert refusal.value.status == 503

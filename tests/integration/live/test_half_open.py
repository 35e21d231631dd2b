"""A connection whose other end is gone without a word is found; one whose other end gives any sign of life stays."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.domain.job import Job
from gateway.events.settings import SubscriberSettings
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.swallowing_proxy import swallowing_proxy
from tests.websocket.client import Socket, opened
from tests.websocket.frames import CLOSE, PING, PONG, TEXT, frame

HEARTBEAT_S = 0.5


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(heartbeat_s=HEARTBEAT_S)) as gateway:
        yield gateway


def path_of(job: Job) -> str:
    return f"/api/v1/batch/{job.job_id}/ws"


def connections(gateway: QuietGateway) -> int:
    registry = gateway.context.metrics.instruments.registry
    return int(registry.get_sample_value("gateway_websocket_connections") or 0)


def taken_places(gateway: QuietGateway) -> int:
    registry = gateway.context.metrics.instruments.registry
    return int(registry.get_sample_value("gateway_subscribers", {"door": "websocket"}) or 0)


def closed_by(gateway: QuietGateway, code: int) -> int:
    registry = gateway.context.metrics.instruments.registry
    return int(registry.get_sample_value("gateway_websocket_closed_total", {"code": str(code)}) or 0)


async def until_found(gateway: QuietGateway) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while connections(gateway):
            await asyncio.sleep(0.01)


async def test_a_network_that_swallows_all_is_found_though_nothing_is_ever_closed(
    gateway: QuietGateway,
) -> None:
    """Somebody between the two confirms what is sent, so the kernel has no reason to give up."""
    job = await gateway.accept()
    async with swallowing_proxy(gateway.port) as proxy, opened(proxy.port, path_of(job)) as follower:
        await follower.message()
        proxy.swallow()
        await until_found(gateway)
        assert closed_by(gateway, 4001) == 1
        assert proxy.swallowed_bytes > 0


async def test_it_is_found_on_a_websocket_for_many_jobs_too(gateway: QuietGateway) -> None:
    """Also where nothing was subscribed to yet."""
    async with swallowing_proxy(gateway.port) as proxy, opened(proxy.port, "/api/v1/ws"):
        proxy.swallow()
        await until_found(gateway)
        assert closed_by(gateway, 4001) == 1


async def test_it_is_found_while_the_job_has_news_all_the_time(gateway: QuietGateway) -> None:
    """That they are confirmed by somebody is no sign of life of the client."""
    job = await gateway.accept(images=1000)
    async with swallowing_proxy(gateway.port) as proxy, opened(proxy.port, path_of(job)) as follower:
        await follower.message()
        proxy.swallow()
        for index in range(1000):
            await gateway.publish(job.job_id, index)
            if not connections(gateway):
                break
            await asyncio.sleep(0.02)
        assert closed_by(gateway, 4001) == 1


async def test_a_client_that_answers_neither_of_two_pings_is_told_4001(gateway: QuietGateway) -> None:
    job = await gateway.accept()
    async with opened(gateway.port, path_of(job)) as mute:
        while (told := await mute.hear()) is not None and told.opcode != CLOSE:
            pass
    assert told is not None
    assert told.close_code == 4001
    assert sum(heard.opcode == PING for heard in mute.frames) == 2


@pytest.mark.parametrize(
    "said", [frame(TEXT, b"here"), frame(PONG), frame(PING, b"x")], ids=["a text", "a pong", "a ping"]
)
async def test_a_client_that_answers_no_ping_but_says_something_stays(
    gateway: QuietGateway, said: bytes
) -> None:
    job = await gateway.accept()
    async with opened(gateway.port, path_of(job)) as follower:
        await say_until(follower, said, beats=6)
        assert connections(gateway) == 1


async def test_a_client_that_answers_pings_stays_for_as_long_as_it_likes(gateway: QuietGateway) -> None:
    job = await gateway.accept(images=1)
    async with gateway.http.ws_connect(path_of(job)) as socket:
        # Answering pings is the library's own affair.
        for _ in range(10):
            assert (await socket.receive(timeout=PATIENCE_S)).json()["type"] == "progress"
        await gateway.complete(job.job_id, 0)
        async with asyncio.timeout(PATIENCE_S):
            assert [message.json()["type"] async for message in socket][-1] == "job_complete"


async def test_a_client_is_not_blamed_for_the_time_in_which_its_gateway_was_held_up(
    gateway: QuietGateway,
) -> None:
    job = await gateway.accept()
    async with opened(gateway.port, path_of(job)) as follower:
        await follower.message()
        assert (await follower.outcome()).is_open
        time.sleep(3 * HEARTBEAT_S)  # as if everything else were done meanwhile
        await say_until(follower, frame(PONG), beats=3)
        assert connections(gateway) == 1


async def test_a_message_of_which_bytes_still_come_is_a_sign_of_life(gateway: QuietGateway) -> None:
    """What counts are bytes, not messages."""
    job = await gateway.accept()
    async with opened(gateway.port, path_of(job)) as follower:
        text = frame(TEXT, b"x" * 1000)
        sent = 0
        while sum(told.opcode == PING for told in follower.frames) < 6:
            await follower.send(text[sent : sent + 1])
            sent += 1
            assert await follower.hear() is not None
        assert connections(gateway) == 1


async def say_until(follower: Socket, said: bytes, *, beats: int) -> None:
    """Once for each ping, none of which is answered."""
    pings = 0
    while pings < beats:
        told = await follower.hear()
        assert told is not None
        assert told.opcode != CLOSE
        if told.opcode == PING:
            pings += 1
            await follower.send(said)


async def test_its_place_is_free_again(tmp_path: Path) -> None:
    subscribers = SubscriberSettings(heartbeat_s=HEARTBEAT_S, max_connections=1)
    async with quiet_gateway(tmp_path, subscribers=subscribers) as gateway:
        job = await gateway.accept()
        async with swallowing_proxy(gateway.port) as proxy, opened(proxy.port, path_of(job)) as follower:
            await follower.message()
            proxy.swallow()
            async with asyncio.timeout(PATIENCE_S):
                while taken_places(gateway):
                    await asyncio.sleep(0.01)
            async with opened(gateway.port, path_of(job)) as next_one:
                assert b"progress" in await next_one.message()

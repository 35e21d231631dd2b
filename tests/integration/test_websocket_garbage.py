"""A connection that is over is gone at once: nothing of it is a circle of garbage, which stays until a collection."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.api.connections.protocol import Protocol
from gateway.api.live.audience import LEAVE_S
from gateway.api.live.websocket.socket import Socket as ServersSocket
from gateway.events.follower import Follower
from gateway.events.peer import Peer
from gateway.events.topic import Topic
from tests.gone_at_once import alive, gone, nothing_collected
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.websocket.client import Socket, opened
from tests.websocket.frames import BINARY, CLOSE, TEXT, closing, frame

OURS = (Protocol, ServersSocket, Peer, Follower, Topic)

FAULTS = {
    "no mask": frame(TEXT, b"x", key=None),
    "reserved bits": frame(TEXT, b"x", rsv=4),
    "too big": frame(BINARY, bytes(5000)),
    "no text": frame(TEXT, b"\xff"),
    "a wrong goodbye": closing(1006),
}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(tmp_path) as quiet:
        yield quiet


@pytest.fixture(autouse=True)
def nothing_is_collected(gateway: QuietGateway) -> Iterator[None]:
    with nothing_collected():
        yield


async def path_of_one(gateway: QuietGateway) -> str:
    return f"/api/v1/batch/{(await gateway.accept()).job_id}/ws"


async def follow_by_many(gateway: QuietGateway, socket: Socket) -> None:
    job = await gateway.accept()
    for job_id in (job.job_id, "*"):
        await socket.send(frame(TEXT, b'{"type": "subscribe", "job_id": "%b"}' % job_id.encode()))
        for _ in range(2):
            await socket.message()


async def test_after_a_goodbye_of_the_client(gateway: QuietGateway) -> None:
    async with opened(gateway.port, await path_of_one(gateway)) as socket:
        await socket.message()
        assert set(alive(*OURS)) >= {"Follower", "Peer", "Protocol", "Socket", "Topic"}
        assert await socket.leave() == 1000
    await gone(*OURS)


async def test_after_one_of_the_gateway(gateway: QuietGateway) -> None:
    job = await gateway.accept(images=1)
    async with opened(gateway.port, f"/api/v1/batch/{job.job_id}/ws") as socket:
        await socket.message()
        await gateway.complete(job.job_id, 0)
        assert (await socket.to_the_end())[-1].opcode == CLOSE
    await gone(*OURS)


async def test_after_one_that_is_not_answered(gateway: QuietGateway) -> None:
    job = await gateway.accept(images=1)
    async with opened(gateway.port, f"/api/v1/batch/{job.job_id}/ws") as socket:
        await socket.message()
        await gateway.complete(job.job_id, 0)
        async with asyncio.timeout(LEAVE_S + PATIENCE_S):
            while await socket.hear() is not None:
                pass
    await gone(*OURS)


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_fault(gateway: QuietGateway, fault: str) -> None:
    async with opened(gateway.port, await path_of_one(gateway)) as socket:
        await socket.send(FAULTS[fault])
        assert (await socket.ending()).code in (1002, 1007, 1009)
    await gone(*OURS)


async def test_after_a_reset(gateway: QuietGateway) -> None:
    async with opened(gateway.port, await path_of_one(gateway)) as socket:
        await socket.message()
        socket.line.writer.transport.abort()
    await gone(*OURS)


async def test_after_many_jobs(gateway: QuietGateway) -> None:
    async with opened(gateway.port, "/api/v1/ws") as socket:
        await follow_by_many(gateway, socket)
        assert await socket.leave() == 1000
    await gone(*OURS)


async def test_after_a_fault_among_many_jobs(gateway: QuietGateway) -> None:
    async with opened(gateway.port, "/api/v1/ws") as socket:
        await follow_by_many(gateway, socket)
        await socket.send(frame(BINARY, b"{}"))
        assert (await socket.ending()).code == 1003
    await gone(*OURS)

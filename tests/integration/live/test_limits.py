"""How many may follow: the refusal comes before the upgrade, and a place is free again however a connection ends."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.domain.job import Job
from gateway.events.settings import SubscriberSettings
from gateway.settings import HttpSettings
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.websocket.client import asking
from tests.websocket.slow_socket import SlowSocket, connected_slowly


@asynccontextmanager
async def limited(folder: Path, **limits: int) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(folder, subscribers=SubscriberSettings(**limits)) as gateway:
        yield gateway


def path_of(job: Job) -> str:
    return f"/api/v1/batch/{job.job_id}/ws"


async def status_of(gateway: QuietGateway, job: Job) -> int:
    """Of one more that would follow."""
    try:
        async with gateway.http.ws_connect(path_of(job)):
            return 101
    except aiohttp.WSServerHandshakeError as refusal:
        return refusal.status


async def until_free(gateway: QuietGateway, job: Job) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await status_of(gateway, job) != 101:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "limit", ["max_connections", "max_per_job", "max_per_address"], ids=["in all", "by job", "by address"]
)
async def test_one_more_is_refused_with_429_and_told_when_to_ask_again(tmp_path: Path, limit: str) -> None:
    async with limited(tmp_path, **{limit: 2}) as gateway, AsyncExitStack() as stack:
        job = await gateway.accept()
        for _ in range(2):
            await stack.enter_async_context(gateway.http.ws_connect(path_of(job)))
        async with gateway.http.get(path_of(job)) as answer:
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) > 0
            problem = await answer.json(content_type="application/problem+json")
        assert problem["code"] == "too_many_subscribers"
        assert await status_of(gateway, job) == 429


async def test_a_quarter_of_all_connections_is_for_requests(tmp_path: Path) -> None:
    http = HttpSettings(max_connections=8)
    async with quiet_gateway(tmp_path, http=http) as gateway, AsyncExitStack() as stack:
        job = await gateway.accept()
        for _ in range(6):
            await stack.enter_async_context(gateway.http.ws_connect(path_of(job)))
        assert await status_of(gateway, job) == 429
        async with gateway.http.get(f"/api/v1/batch/{job.job_id}") as answer:
            assert answer.status == 200


async def test_another_job_has_places_of_its_own(tmp_path: Path) -> None:
    async with limited(tmp_path, max_per_job=1) as gateway:
        full, other = await gateway.accept(), await gateway.accept()
        async with gateway.http.ws_connect(path_of(full)):
            assert [await status_of(gateway, job) for job in (full, other)] == [429, 101]


async def test_an_unknown_job_is_404_where_all_places_are_taken(tmp_path: Path) -> None:
    async with limited(tmp_path, max_connections=1) as gateway:
        job = await gateway.accept()
        async with (
            gateway.http.ws_connect(path_of(job)),
            gateway.http.get("/api/v1/batch/550e8400-e29b-41d4-a716-446655440000/ws") as answer,
        ):
            assert answer.status == 404


async def test_requests_that_do_not_follow_are_answered_where_all_places_are_taken(tmp_path: Path) -> None:
    async with limited(tmp_path, max_connections=1) as gateway:
        job = await gateway.accept()
        async with (
            gateway.http.ws_connect(path_of(job)),
            gateway.http.get(f"/api/v1/batch/{job.job_id}") as answer,
        ):
            assert answer.status == 200


def reset(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()


async def says_goodbye(gateway: QuietGateway, job: Job) -> None:
    async with gateway.http.ws_connect(path_of(job)) as following:
        await following.receive()


async def is_reset(gateway: QuietGateway, job: Job) -> None:
    reset((await connected_slowly(gateway.port, path_of(job))).connected)


async def is_closed_without_a_word(gateway: QuietGateway, job: Job) -> None:
    (await connected_slowly(gateway.port, path_of(job))).connected.close()


async def asks_without_an_upgrade(gateway: QuietGateway, job: Job) -> None:
    async with gateway.http.get(path_of(job)) as answer:
        assert answer.status == 426


async def leaves_in_the_midst_of_its_handshake(gateway: QuietGateway, job: Job) -> None:
    loop = asyncio.get_running_loop()
    connected = socket.socket()
    connected.setblocking(False)
    await loop.sock_connect(connected, ("127.0.0.1", gateway.port))
    await loop.sock_sendall(connected, asking(path_of(job)))
    reset(connected)


async def breaks_the_protocol(gateway: QuietGateway, job: Job) -> None:
    slow = await connected_slowly(gateway.port, path_of(job))
    await slow.send(b"\xff" * 100)
    await to_the_end(slow)


async def says_too_much(gateway: QuietGateway, job: Job) -> None:
    async with gateway.http.ws_connect(path_of(job)) as following:
        await following.send_str("x" * 10_000)
        async for _ in following:
            pass


async def sees_the_job_deleted(gateway: QuietGateway, job: Job) -> None:
    other = await gateway.accept(images=1)
    slow = await connected_slowly(gateway.port, path_of(other))
    await gateway.ledger.delete(other.job_id)
    await to_the_end(slow)


async def sees_the_job_end(gateway: QuietGateway, job: Job) -> None:
    other = await gateway.accept(images=1)
    slow = await connected_slowly(gateway.port, path_of(other))
    await gateway.complete(other.job_id, 0)
    await to_the_end(slow)


async def to_the_end(slow: SlowSocket) -> None:
    await slow.read_to_the_end()
    slow.connected.close()


@pytest.mark.parametrize(
    "end",
    [
        says_goodbye,
        is_reset,
        is_closed_without_a_word,
        asks_without_an_upgrade,
        leaves_in_the_midst_of_its_handshake,
        breaks_the_protocol,
        says_too_much,
        sees_the_job_deleted,
        sees_the_job_end,
    ],
    ids=lambda end: end.__name__,
)
async def test_a_place_is_free_again_after_one_that(
    tmp_path: Path, end: Callable[[QuietGateway, Job], Awaitable[None]]
) -> None:
    async with limited(tmp_path, max_connections=1) as gateway:
        job = await gateway.accept()
        for _ in range(3):
            await end(gateway, job)
            await until_free(gateway, job)
            await until_nobody_is_there(gateway)


async def until_nobody_is_there(gateway: QuietGateway) -> None:
    registry, followed_by = gateway.context.metrics.instruments.registry, {"door": "websocket"}
    async with asyncio.timeout(PATIENCE_S):
        while registry.get_sample_value("gateway_subscribers", followed_by) or gateway.context.hub.topics:
            await asyncio.sleep(0.02)


async def test_over_a_unix_socket_nobody_has_an_address(tmp_path: Path) -> None:
    async with limited(tmp_path, max_per_address=1) as gateway, AsyncExitStack() as stack:
        job = await gateway.accept()
        door = tmp_path / "door"
        await web.UnixSite(gateway.runner, str(door)).start()
        connector = aiohttp.UnixConnector(str(door))
        http = await stack.enter_async_context(aiohttp.ClientSession("http://gateway", connector=connector))
        for _ in range(3):
            following = await stack.enter_async_context(http.ws_connect(path_of(job)))
            assert (await following.receive(timeout=PATIENCE_S)).json()["type"] == "progress"


async def test_a_page_of_another_origin_takes_no_place(tmp_path: Path) -> None:
    http = HttpSettings(cors_origins=("https://app.example.com",))
    subscribers = SubscriberSettings(max_connections=1)
    async with quiet_gateway(tmp_path, http=http, subscribers=subscribers) as gateway:
        job = await gateway.accept()
        for _ in range(3):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await gateway.http.ws_connect(path_of(job), headers={"Origin": "https://evil.example"})
            assert refusal.value.status == 403
        assert await status_of(gateway, job) == 101

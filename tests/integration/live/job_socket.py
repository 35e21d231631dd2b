"""A job's WebSocket, from the side of those who follow."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from gateway.domain import transitions
from gateway.domain.events import Change, Event
from gateway.domain.job import Failure, Job
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway


def path_of(job: Job) -> str:
    return f"/api/v1/batch/{job.job_id}/ws"


@asynccontextmanager
async def following(
    quiet: QuietGateway, job: Job, after: str | None = None
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    params = {} if after is None else {"after": after}
    async with quiet.http.ws_connect(path_of(job), params=params) as websocket:
        yield websocket


async def frame(websocket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    message = await websocket.receive(timeout=PATIENCE_S)
    assert message.type is WSMsgType.TEXT, message
    parsed: dict[str, Any] = json.loads(message.data)
    return parsed


async def frames_to_the_end(websocket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        return [json.loads(message.data) async for message in websocket]


async def a_deaf_subscriber(quiet: QuietGateway, job: Job) -> socket.socket:
    """One that shakes hands and never reads again, with small buffers."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", quiet.port))
    handshake = (
        f"GET {path_of(job)} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await loop.sock_sendall(deaf, handshake.encode())
    assert b"101" in await loop.sock_recv(deaf, 100)
    return deaf


def failed_with(job: Job, index: int, text: str) -> Change | None:
    return transitions.fail(job, index, Failure("analysis_failed", text), job.updated_at)


def all_failed(job: Job, indexes: Iterable[int], text: str) -> Change:
    """In one commit."""
    events: list[Event] = []
    for index in indexes:
        change = failed_with(job, index, text)
        assert change is not None
        job = change.job
        events += change.events
    return Change(job, tuple(events))


async def closed(websocket: aiohttp.ClientWebSocketResponse) -> int | None:
    """Read to the end; the code that it was closed with."""
    async for _ in websocket:
        pass
    return websocket.close_code

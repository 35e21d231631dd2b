"""A client of the WebSocket for many jobs, as a test has it say and hear.

async with jobs_socket(gateway) as jobs:
    await jobs.subscribe(job.job_id)
    assert await jobs.heard() == {"type": "subscribed", ...}
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import WSMsgType
from attrs import frozen

from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway

PATH: Final = "/api/v1/ws"

Message = dict[str, Any]


@frozen
class JobsSocket:
    """One connection."""

    websocket: aiohttp.ClientWebSocketResponse

    async def say(self, said: object) -> None:
        await self.websocket.send_str(said if isinstance(said, str) else json.dumps(said))

    async def subscribe(self, job_id: str, **asked: object) -> None:
        await self.say({"type": "subscribe", "job_id": job_id, **asked})

    async def unsubscribe(self, job_id: str) -> None:
        await self.say({"type": "unsubscribe", "job_id": job_id})

    async def follow(self, job_id: str, **asked: object) -> Message:
        """Subscribe; the opening."""
        await self.subscribe(job_id, **asked)
        answer = await self.heard()
        assert (answer["type"], answer["job_id"]) == ("subscribed", job_id)
        return await self.heard()

    async def heard(self) -> Message:
        """The next message."""
        message = await self.websocket.receive(timeout=PATIENCE_S)
        assert message.type is WSMsgType.TEXT, message
        parsed: Message = json.loads(message.data)
        return parsed

    async def heard_until(self, kind: str, **fields: object) -> list[Message]:
        """All up to the first of that type that has these fields."""
        heard: list[Message] = []
        async with asyncio.timeout(PATIENCE_S):
            while not heard or not _is_like(heard[-1], {"type": kind, **fields}):
                heard.append(await self.heard())
        return heard

    async def refused(self) -> str:
        """The code of the error that is the next message."""
        error = await self.heard()
        assert error["type"] == "error", error
        assert error["error"].endswith(".")
        return str(error["code"])

    async def closed(self) -> int | None:
        """By which code, whatever comes before."""
        async with asyncio.timeout(PATIENCE_S):
            async for _ in self.websocket:
                pass
        return self.websocket.close_code


def rename(data_dir: Path, table: str, name: str) -> None:
    """A table that the job store can't do without, behind its back."""
    with closing(sqlite3.connect(data_dir / "jobs.sqlite")) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {name}")


def _is_like(message: Message, fields: Message) -> bool:
    return all(message.get(name) == value for name, value in fields.items())


@asynccontextmanager
async def jobs_socket(gateway: QuietGateway) -> AsyncIterator[JobsSocket]:
    async with gateway.http.ws_connect(PATH) as websocket:
        yield JobsSocket(websocket)

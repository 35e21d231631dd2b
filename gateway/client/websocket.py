"""One WebSocket of a gateway: its frames as JSON, until it is closed or shows no sign of life.

Two things tell a dead connection from a quiet one. We send pings, which any WebSocket answers; and a gateway that
names the pace of its heartbeats (`heartbeat_s`) is heard within two and a half of them. An older one names none, and
may say nothing for as long as nothing happens.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import Any, Final, Self

import aiohttp
from attrs import define, field

from gateway.client.close_codes import NO_CLOSE_FRAME, closed
from gateway.client.errors import Unreachable

PING_AFTER_S: Final = 20.0
"""Of silence; without an answer the connection is dead half of it later."""
MISSED_HEARTBEATS: Final = 2.5
CLOSE_S: Final = 2.0
"""How long the gateway may take to answer our goodbye."""
NO_STATUS: Final = 1005

HELD_FRAMES: Final = 64
"""While the caller is at work with an earlier one; then the gateway has to wait."""

Frame = Mapping[str, Any]


@define(eq=False)
class WebSocket:
    """An open one. `talking` turns the ways in which it fails into Unreachable.

    It is listened to by a task of its own: who is at work with a frame for a long time still answers pings.
    """

    _socket: aiohttp.ClientWebSocketResponse
    _base_url: str
    _talking: Callable[[], AbstractContextManager[None]]
    _silence_s: float | None = field(init=False, default=None)
    _heard: "asyncio.Queue[Frame | Exception]" = field(init=False, factory=lambda: asyncio.Queue(HELD_FRAMES))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Until the context is left; then it says goodbye."""
        task = asyncio.create_task(self._listen(), name="listen")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with suppress(Unreachable), self._talking():
                await self._socket.close()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Where the connection has ended, its frames tell why: with a close code, if it had one."""
        with suppress(Unreachable), self._talking():
            await self._socket.send_str(json.dumps(message))

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Its JSON objects; anything else is passed over. They end with Closed or Unreachable."""
        while True:
            heard = await self._heard.get()
            if isinstance(heard, Exception):
                raise heard
            yield heard

    async def _listen(self) -> None:
        try:
            while True:
                frame = _object_in(await self._message())
                if frame is not None:
                    self._expect_heartbeats(frame.get("heartbeat_s"))
                    await self._heard.put(frame)
        except Exception as error:  # noqa: BLE001 - raised where the frames are read
            await self._heard.put(error)

    async def _message(self) -> aiohttp.WSMessage:
        message = await self._received()
        if message.type is aiohttp.WSMsgType.CLOSE:
            raise closed(self._base_url, message.data or NO_STATUS)
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise closed(self._base_url, NO_CLOSE_FRAME)
        return message

    async def _received(self) -> aiohttp.WSMessage:
        with self._talking():
            try:
                async with asyncio.timeout(self._silence_s):
                    return await self._socket.receive()
            except TimeoutError as error:
                raise Unreachable(
                    f"the gateway at {self._base_url} has said nothing for {self._silence_s:.0f} s"
                ) from error

    def _expect_heartbeats(self, heartbeat_s: object) -> None:
        """As a frame tells; one that does not tell leaves all as it is."""
        if isinstance(heartbeat_s, int | float) and heartbeat_s > 0:
            self._silence_s = MISSED_HEARTBEATS * heartbeat_s


def _object_in(message: aiohttp.WSMessage) -> Frame | None:
    """None: it is no JSON object in a text."""
    if message.type is not aiohttp.WSMsgType.TEXT:
        return None
    try:
        frame = json.loads(message.data)
    except ValueError:
        return None
    return frame if isinstance(frame, dict) else None

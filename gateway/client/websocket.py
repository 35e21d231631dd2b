"""One WebSocket of a gateway: its frames as JSON, until it is closed or shows no sign of life.

Two things tell a dead connection from a quiet one: we send pings, which any WebSocket answers, and the gateway has
heartbeats. An older one has none, and may say nothing for as long as nothing happens.
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
from gateway.client.silence import Silence

PING_AFTER_S: Final = 20.0
"""Of silence; without an answer the connection is dead half of it later."""
CLOSE_S: Final = 2.0
"""How long the gateway may take to answer our goodbye."""
NO_STATUS: Final = 1005

HELD_FRAMES: Final = 64
"""While the caller is at work with an earlier one; then the gateway has to wait."""

Frame = Mapping[str, Any]
Talking = Callable[[float], AbstractContextManager[None]]


@define(eq=False)
class WebSocket:
    """An open one. `talking` turns the ways in which it fails into Unreachable.

    It is listened to by a task of its own: who is at work with a frame for a long time still answers pings.
    """

    _socket: aiohttp.ClientWebSocketResponse
    _address: str
    _talking: Talking
    _silence: Silence = field(init=False, factory=Silence)
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
            with suppress(Unreachable), self._talking(CLOSE_S):
                await self._socket.close()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Where the connection has ended, its frames tell why: with a close code, if it had one."""
        with suppress(Unreachable), self._talking(PING_AFTER_S):
            await self._socket.send_str(json.dumps(message))

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Its JSON objects; anything else is passed over. They end with Closed or Unreachable."""
        while True:
            frame = await self.frame()
            if frame is not None:
                yield frame

    async def frame(self, until: float | None = None) -> Frame | None:
        """The next of them, if it comes before that time of the loop's clock; else None."""
        try:
            async with asyncio.timeout_at(until):
                heard = await self._heard.get()
        except TimeoutError:
            return None
        if isinstance(heard, Exception):
            raise heard
        return heard

    async def _listen(self) -> None:
        try:
            while True:
                frame = _object_in(await self._message())
                if frame is not None:
                    self._silence.expect_heartbeats(frame)
                    await self._heard.put(frame)
        except Exception as error:  # noqa: BLE001 - raised where the frames are read
            await self._heard.put(error)

    async def _message(self) -> aiohttp.WSMessage:
        message = await self._received()
        if message.type is aiohttp.WSMsgType.CLOSE:
            raise closed(self._address, message.data or NO_STATUS)
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise closed(self._address, NO_CLOSE_FRAME)
        return message

    async def _received(self) -> aiohttp.WSMessage:
        bound_s = self._silence.bound_s
        with self._talking(bound_s or PING_AFTER_S):
            async with asyncio.timeout(bound_s):
                return await self._socket.receive()


def _object_in(message: aiohttp.WSMessage) -> Frame | None:
    """None: it is no JSON object in a text."""
    if message.type is not aiohttp.WSMsgType.TEXT:
        return None
    try:
        frame = json.loads(message.data)
    except (ValueError, RecursionError):
        return None
    return frame if isinstance(frame, dict) else None

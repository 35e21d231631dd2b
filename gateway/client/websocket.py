"""One WebSocket of a gateway: its frames as JSON, until it is closed or shows no sign of life.

Two things tell a dead connection from a quiet one. We send pings, which any WebSocket answers; and a gateway that
names the pace of its heartbeats (`heartbeat_s`) is heard within two and a half of them. An older one names none, and
may say nothing for as long as nothing happens.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

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

Frame = Mapping[str, Any]


@define(eq=False)
class WebSocket:
    """An open one. `talking` turns the ways in which it fails into Unreachable."""

    _socket: aiohttp.ClientWebSocketResponse
    _base_url: str
    _talking: Callable[[], AbstractContextManager[None]]
    _silence_s: float | None = field(init=False, default=None)

    def expect_heartbeats(self, heartbeat_s: object) -> None:
        """As a frame tells; one that does not tell leaves all as it is."""
        if isinstance(heartbeat_s, int | float) and heartbeat_s > 0:
            self._silence_s = MISSED_HEARTBEATS * heartbeat_s

    async def send(self, message: Mapping[str, Any]) -> None:
        with self._talking():
            await self._socket.send_str(json.dumps(message))

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Its JSON objects; anything else is passed over. They end with Closed or Unreachable."""
        while True:
            message = await self._receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                frame = _parsed(message.data)
                if isinstance(frame, dict):
                    self.expect_heartbeats(frame.get("heartbeat_s"))
                    yield frame
            elif message.type is aiohttp.WSMsgType.CLOSE:
                raise closed(self._base_url, message.data or NO_STATUS)
            elif message.type is not aiohttp.WSMsgType.BINARY:
                raise closed(self._base_url, NO_CLOSE_FRAME)

    async def _receive(self) -> aiohttp.WSMessage:
        with self._talking():
            try:
                async with asyncio.timeout(self._silence_s):
                    return await self._socket.receive()
            except TimeoutError as error:
                raise Unreachable(
                    f"the gateway at {self._base_url} has said nothing for {self._silence_s:.0f} s"
                ) from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None

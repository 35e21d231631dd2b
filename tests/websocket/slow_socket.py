"""A WebSocket client that reads when it is told to, and no more than it is told.

    async with slow_socket(port, path) as slow:
        await slow.read_at(1000, lambda: len(slow.messages) > 3)
        await slow.read_to_the_end()

Its kernel takes little for it, in segments as small as an Ethernet's: what it does not read stays with its sender.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from attrs import define, field

from tests.websocket.client import asking
from tests.websocket.decoder import Decoder
from tests.websocket.frames import CLOSE, CONTINUATION, PING, PONG, TEXT, closing, frame

_RECEIVE_BYTES: Final = 4096
_SEGMENT_BYTES: Final = 1448
_PATIENCE_S: Final = 60
_HOST: Final = "127.0.0.1"


@define(eq=False)
class SlowSocket:
    """`messages` are those that were read whole; pings that were read are answered unless it `is_mute`."""

    connected: socket.socket
    messages: list[dict[str, Any]] = field(factory=list)
    close_code: int | None = None
    pings: int = 0
    is_mute: bool = False
    has_ended: bool = False
    _decoder: Decoder = field(factory=Decoder)
    _texts: Decoder = field(factory=Decoder)

    async def read(self, size: int) -> None:
        """What has come, at most so many bytes; waits for the first of them."""
        loop = asyncio.get_running_loop()
        try:
            data = await loop.sock_recv(self.connected, size)
        except ConnectionError:
            data = b""
        self.has_ended = not data
        for told in self._decoder.frames(data):
            await self._answer(told.opcode, told.payload)
        self.messages += self._texts.messages(data)

    async def read_at(self, bytes_per_s: int, until: Callable[[], bool]) -> None:
        """So slowly, in a few pieces a second."""
        async with asyncio.timeout(_PATIENCE_S):
            while not until() and not self.has_ended:
                await self.read(bytes_per_s // 4)
                await asyncio.sleep(0.25)

    async def read_until(self, is_so: Callable[[], bool]) -> None:
        """As fast as it comes."""
        async with asyncio.timeout(_PATIENCE_S):
            while not is_so() and not self.has_ended:
                await self.read(1 << 16)

    async def read_to_the_end(self) -> None:
        await self.read_until(lambda: False)

    def images(self) -> list[int]:
        """Whose end it was told of."""
        return [told["image"]["index"] for told in self.messages if told["type"] == "image_complete"]

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.connected, data)

    async def _answer(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2])
            await self.send(closing(self.close_code))
        elif opcode == PING:
            self.pings += 1
            if not self.is_mute:
                await self.send(frame(PONG, payload))
        else:
            assert opcode in (TEXT, CONTINUATION)


@asynccontextmanager
async def slow_socket(port: int, path: str, *, host: str = _HOST) -> AsyncIterator[SlowSocket]:
    """After the handshake, of which nothing more was read than its answer."""
    slow = await connected_slowly(port, path, host=host)
    try:
        yield slow
    finally:
        slow.connected.close()


async def connected_slowly(port: int, path: str, *, host: str = _HOST) -> SlowSocket:
    """As `slow_socket`; `connected` is to be closed."""
    loop = asyncio.get_running_loop()
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
    connected.setblocking(False)
    await loop.sock_connect(connected, (host, port))
    await loop.sock_sendall(connected, asking(path))
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        byte = await loop.sock_recv(connected, 1)
        assert byte, answer
        answer += byte
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return SlowSocket(connected)

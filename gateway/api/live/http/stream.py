"""One answer of HTTP that goes on for as long as there is news: its head by aiohttp, its body past aiohttp's writer.

The body is written by a peer, whole pieces in one go, as on a WebSocket. Its end is aiohttp's again, once all was
taken, so that the connection may be used for another request.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final, Self, cast

from aiohttp import web
from attrs import define, field

from gateway.api.connections.protocol import Protocol
from gateway.api.live.audience import LEAVE_S, no_sign_of_life
from gateway.api.live.close_codes import CloseCode
from gateway.api.live.http.wires import frame, takes_chunks
from gateway.events.peer import Peer, PeerLeft

_FOUND_S: Final = 60.0
"""Within which a dead connection is found: a sign of life is written to it, and must be confirmed in what is left."""
_RESET: Final = struct.pack("ii", 1, 0)


@define(eq=False)
class HttpStream:
    """An answer whose head is sent. `sign_of_life` gives what to write in silence, if there is anything."""

    response: web.StreamResponse
    _protocol: Protocol
    _transport: asyncio.Transport
    _in_chunks: bool
    sign_of_life: Callable[[], bytes | None] = no_sign_of_life
    farewell: Callable[[], bytes] = bytes
    peer: Peer = field(init=False)
    _over: asyncio.Event = field(init=False, factory=asyncio.Event)
    _has_end: bool = field(init=False, default=False)
    """Nothing is missing once all that was written is taken."""
    _is_whole: bool = field(init=False, default=False)
    """All was taken."""
    _leave_by: float | None = field(init=False, default=None)
    _finishing: asyncio.Timeout | None = field(init=False, default=None)

    @classmethod
    async def open(cls, request: web.Request, response: web.StreamResponse, *, heartbeat_s: float) -> Self:
        """Send the head. Raises ConnectionResetError when the client has left."""
        in_chunks = takes_chunks(request)
        frame(response, in_chunks=in_chunks)
        await response.prepare(request)
        protocol = cast(Protocol, request.protocol)
        if protocol.transport is None:
            raise ConnectionResetError("the client has left")
        protocol.bound_unread(max(1.0, _FOUND_S - heartbeat_s))
        return cls(response, protocol, protocol.transport, in_chunks)

    def __attrs_post_init__(self) -> None:
        self.peer = Peer(self._transport)
        self._protocol.written_by(self)

    async def until_over(self) -> None:
        """Until there is nothing more to come, the client has left, or is sent away."""
        await self._over.wait()

    async def finish(self) -> None:
        """Wait for what was written to be taken."""
        try:
            async with asyncio.timeout_at(self._leave_by) as self._finishing:
                await self.peer.emptied()
            self._is_whole = self._has_end
        except (PeerLeft, TimeoutError):
            return
        finally:
            self._finishing = None

    async def close(self) -> None:
        """Nothing is written any more. An answer that is not whole ends with its connection, and without its end."""
        await self.peer.close()
        self._protocol.let_go()
        if not self._is_whole:
            cut(self._transport, in_chunks=self._in_chunks)
        # It knows this answer, which would stay until garbage is collected.
        self.sign_of_life = no_sign_of_life

    def end(self, *, is_whole: bool) -> None:
        """There is nothing more to come; whether that is all there was to tell."""
        if not self._over.is_set():
            self._has_end = is_whole
            self._over.set()

    def beat(self, now: float) -> None:
        sign = None if self._over.is_set() else self.sign_of_life()
        if sign is not None:
            self.peer.write_now(sign)

    def leave(self, close: CloseCode) -> None:
        self._leave_by = asyncio.get_running_loop().time() + LEAVE_S
        if self._finishing is not None and not self._finishing.expired():
            self._finishing.reschedule(self._leave_by)
        if not self._over.is_set():
            farewell = self.farewell()
            self.peer.write_now(farewell)
            self.end(is_whole=bool(farewell))

    def pause_writing(self) -> None:
        self.peer.pause_writing()

    def resume_writing(self) -> None:
        self.peer.resume_writing()

    def connection_lost(self) -> None:
        self.peer.connection_lost()
        self.end(is_whole=False)


def cut(transport: asyncio.Transport, *, in_chunks: bool) -> None:
    """End an answer that is not whole with its connection, so that nobody takes it for whole."""
    if not in_chunks and not transport.is_closing():
        # Where the end of the connection is that of the answer, a reset alone tells that it is not.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()

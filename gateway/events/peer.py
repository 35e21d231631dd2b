"""The writing side of one connection: at once while it takes what comes, else in turn by a task of its own.

A peer that does not read has at most ROOM_BYTES and one piece more of ours in its transport, nothing anywhere else,
and is cut off once it has taken nothing for STALLED_S.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from attrs import define, field

ROOM_BYTES: Final = 64 * 1024
"""In the transport; above it a peer is slow, until it has taken most of it."""
STALLED_S: Final = 10.0
MOST_BYTES: Final = 1024 * 1024
"""In the transport, after which a peer is cut off; reached by what is not written here alone (answers to pings)."""
_LOOK_S: Final = 2.0
_LOOK_OFTEN_S: Final = 0.05


class PeerLeft(ConnectionError):
    """The connection is gone, or was cut off: nothing can be written any more."""


class Waiting(Protocol):
    """Somebody who has more for a peer than it takes at once."""

    async def catch_up(self) -> bool:
        """Write the next piece, for which there is room; whether there is more. Raises nothing but PeerLeft."""


@define(eq=False)
class Peer:
    """One connection, as far as it is written to. `on_stalled` is called before a peer is cut off."""

    _transport: asyncio.Transport
    _on_stalled: Callable[[], None] = lambda: None
    messages: int = field(init=False, default=0)
    """That were written, for who counts them."""
    _has_room: bool = field(init=False, default=True)
    _is_gone: bool = field(init=False, default=False)
    _bell: asyncio.Event = field(init=False, factory=asyncio.Event)
    _waiting: deque[Waiting] = field(init=False, factory=deque)
    _catching_up: "asyncio.Task[None] | None" = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._transport.set_write_buffer_limits(high=ROOM_BYTES, low=ROOM_BYTES // 4)

    @property
    def has_room(self) -> bool:
        return self._has_room and not self._transport.is_closing()

    @property
    def is_gone(self) -> bool:
        return self._is_gone or self._transport.is_closing()

    def pause_writing(self) -> None:
        """For the connection's protocol: the transport holds much."""
        self._has_room = False

    def resume_writing(self) -> None:
        """For the connection's protocol: it has taken most of it."""
        self._has_room = not self._is_gone
        self._bell.set()

    def connection_lost(self) -> None:
        """For the connection's protocol."""
        self.seal()

    def write_now(self, data: bytes, messages: int = 1) -> bool:
        """Write it if the peer takes what comes; else nothing is done."""
        if not self._has_room or self._transport.is_closing():
            return False
        self._transport.write(data)
        self.messages += messages
        return True

    def write(self, data: bytes, messages: int = 1) -> None:
        """For who catches up: there is room. Raises PeerLeft."""
        if self.is_gone:
            raise PeerLeft
        self._transport.write(data)
        self.messages += messages

    def queue(self, waiting: Waiting) -> None:
        """Have it write piece by piece, in turn with others, each when there is room."""
        self._waiting.append(waiting)
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._catch_up(), name="catch up")

    async def room(self) -> None:
        """Wait until the transport has taken most of what it holds. Raises PeerLeft, for a stalled peer too."""
        await self._taken(lambda: self._has_room, look_s=_LOOK_S)

    async def emptied(self) -> None:
        """Wait until it has taken all, of which a transport does not tell by itself. Raises PeerLeft likewise."""
        await self._taken(lambda: not self._transport.get_write_buffer_size(), look_s=_LOOK_OFTEN_S)

    def cut_off_if_overfull(self) -> None:
        if self._transport.get_write_buffer_size() > MOST_BYTES:
            self._transport.abort()

    def cut_off(self) -> None:
        self._transport.abort()

    def seal(self) -> None:
        """Nothing is written here any more."""
        self._is_gone, self._has_room = True, False
        self._waiting.clear()
        self._bell.set()

    async def close(self) -> None:
        """Nothing is written any more; a piece that is being read from the log is given up."""
        self.seal()
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.gather(self._catching_up, return_exceptions=True)

    async def _catch_up(self) -> None:
        try:
            while self._waiting:
                await self.room()
                waiting = self._waiting.popleft()
                if await waiting.catch_up():
                    self._waiting.append(waiting)
        except PeerLeft:
            self._waiting.clear()

    async def _taken(self, is_enough: Callable[[], bool], *, look_s: float) -> None:
        held, idle_s = self._transport.get_write_buffer_size(), 0.0
        while not self.is_gone and not is_enough():
            self._bell.clear()
            try:
                async with asyncio.timeout(look_s):
                    await self._bell.wait()
            except TimeoutError:
                left = self._transport.get_write_buffer_size()
                idle_s = idle_s + look_s if left >= held else 0.0
                held = left
            if idle_s >= STALLED_S:
                self._on_stalled()
                self.cut_off()
        if self.is_gone:
            raise PeerLeft

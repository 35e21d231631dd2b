"""The writing side of one connection: at once while it takes what comes, else in turn by a task of its own.

All that is written to a connection goes through here, so nothing lands inside of something else, and a peer that does
not read has at most two times ROOM_BYTES of ours in its transport, whatever there is for it. It is cut off once it has
taken nothing for STALLED_S.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog
from attrs import define, field

from gateway.events.send_queue import keep_little_unsent, taken_bytes, untaken_bytes

log = structlog.get_logger(__name__)

ROOM_BYTES: Final = 128 * 1024
"""In the transport; above it a peer is slow, until it has taken most of it."""
STALLED_S: Final = 10.0
_LOOK_S: Final = 2.0
_LOOK_OFTEN_S: Final = 0.05
_MUCH_BYTES: Final = 16 * 1024


class PeerLeft(ConnectionError):
    """The connection is gone, was cut off, or has had its last word: nothing can be written any more."""


class Queued(Protocol):
    """Somebody who has more for a peer than it takes at once."""

    async def catch_up(self) -> bool:
        """Write the next piece, for which there is room; whether there is more. Raises nothing but PeerLeft."""


@define(eq=False)
class Peer:
    """One connection, as far as it is written to."""

    _transport: asyncio.Transport
    _takes_at_once: bool = field(init=False, default=True)
    messages: int = field(init=False, default=0)
    """That were written, for who counts them."""
    _is_paused: bool = field(init=False, default=False)
    _is_sealed: bool = field(init=False, default=False)
    _is_lost: bool = field(init=False, default=False)
    has_stalled: bool = field(init=False, default=False)
    """It was cut off, for it took nothing."""
    _bell: asyncio.Event | None = field(init=False, default=None)
    """Of those who wait; most never do."""
    # Lists, for an empty deque takes 760 bytes, and mostly they are empty.
    _begun: list[memoryview] = field(init=False, factory=list)
    """What is left of something that is too long to be written in one go."""
    _answer: bytes | None = field(init=False, default=None)
    _queue: list[Queued] = field(init=False, factory=list)
    _catching_up: "asyncio.Task[None] | None" = field(init=False, default=None)

    _seen: tuple[bool, int] = field(init=False, default=(False, 0))
    """Whether it had much to take at the last look, and what it had taken."""

    def __attrs_post_init__(self) -> None:
        self._transport.set_write_buffer_limits(high=ROOM_BYTES, low=ROOM_BYTES // 4)
        keep_little_unsent(self._transport)

    def pause_writing(self) -> None:
        """For the connection's protocol: the transport holds much."""
        self._is_paused, self._takes_at_once = True, False

    def resume_writing(self) -> None:
        """For the connection's protocol: the peer has taken most of it."""
        self._is_paused = False
        self._look_again()
        self._ring()

    def connection_lost(self) -> None:
        """For the connection's protocol."""
        self._is_lost, self._takes_at_once = True, False
        self._ring()

    def write_now(self, data: bytes, messages: int = 1) -> bool:
        """Write it if the peer takes what comes; else nothing is done. A transport that is closing drops it."""
        if not self._takes_at_once:
            return False
        if len(data) <= ROOM_BYTES:
            self._transport.write(data)
        else:
            self._put(data)
        self.messages += messages
        return True

    def write(self, data: bytes, messages: int = 1) -> None:
        """For who catches up: there is room. Raises PeerLeft."""
        if self._is_sealed or self._is_gone:
            raise PeerLeft
        self._put(data)
        self.messages += messages

    def answer(self, data: bytes) -> None:
        """Write it when it can be, unless there is a newer one by then."""
        if not self.write_now(data, 0) and not self._is_sealed:
            self._answer = data
            self._go_on()

    def say_last(self, data: bytes) -> None:
        """Write it behind what was begun, and nothing else any more."""
        if not self._is_sealed and not self._is_gone:
            self._seal()
            self._put(data)

    def queue(self, queued: Queued) -> None:
        """Have it write piece by piece, in turn with others, each when there is room."""
        if not self._is_sealed:
            self._queue.append(queued)
            self._go_on()

    def forget(self, queued: Queued) -> None:
        """It has nothing to write any more."""
        # `remove` alone would fail with the words of all that is reached from it.
        if queued in self._queue:
            self._queue.remove(queued)

    async def room(self) -> None:
        """Wait until the transport has taken most of what it holds. Raises PeerLeft, for a stalled peer too."""
        await self._taken(lambda: not self._is_paused, look_s=_LOOK_S)

    async def emptied(self) -> None:
        """Wait until the transport holds nothing, of which it does not tell by itself. Raises PeerLeft likewise."""
        await self._taken(
            lambda: not self._begun and not self._transport.get_write_buffer_size(), look_s=_LOOK_OFTEN_S
        )

    async def confirmed(self) -> None:
        """Wait until the other end has taken all, as far as the kernel knows. Raises PeerLeft likewise."""
        await self.emptied()
        await self._taken(lambda: not untaken_bytes(self._transport), look_s=_LOOK_OFTEN_S)

    def is_taking_slowly(self) -> bool:
        """For who looks now and then: it had so much to take that it sees late what it is asked, and has taken some."""
        had_much, had_taken = self._seen
        self._seen = untaken_bytes(self._transport) > _MUCH_BYTES, taken_bytes(self._transport)
        return had_much and self._seen[1] > had_taken

    def cut_off(self) -> None:
        self._takes_at_once = False
        self._transport.abort()

    async def close(self) -> None:
        """Nothing is written any more; a piece that is being read from the log is given up."""
        self._seal()
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.gather(self._catching_up, return_exceptions=True)
            self._catching_up = None  # it knows this peer, which would stay until garbage is collected

    @property
    def _is_gone(self) -> bool:
        return self._is_lost or self._transport.is_closing()

    def _seal(self) -> None:
        """Nothing more is written but what was begun."""
        self._is_sealed, self._takes_at_once, self._answer = True, False, None
        self._queue.clear()

    def _put(self, data: bytes) -> None:
        if len(data) <= ROOM_BYTES and not self._begun:
            self._transport.write(data)
            return
        whole = memoryview(data)
        self._begun.extend(whole[start : start + ROOM_BYTES] for start in range(0, len(data), ROOM_BYTES))
        self._takes_at_once = False
        self._go_on()

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.set()

    def _look_again(self) -> None:
        self._takes_at_once = not (self._is_paused or self._begun or self._is_sealed or self._is_lost)

    def _go_on(self) -> None:
        if self._catching_up is None:
            self._catching_up = asyncio.create_task(self._catch_up(), name="catch up")

    async def _catch_up(self) -> None:
        try:
            while self._begun or self._answer or self._queue:
                await self.room()
                await self._write_next()
                await asyncio.sleep(0)  # others have their turn, however much is at hand for this one
        except PeerLeft:
            self._begun.clear()
            self._queue.clear()
        finally:
            self._catching_up = None

    async def _write_next(self) -> None:
        if self._begun:
            self._transport.write(self._begun.pop(0))
            self._look_again()
        elif self._answer:
            answer, self._answer = self._answer, None
            self._put(answer)
        elif self._queue:
            queued = self._queue.pop(0)
            if await queued.catch_up() and not self._is_sealed:
                self._queue.append(queued)

    async def _taken(self, is_enough: Callable[[], bool], *, look_s: float) -> None:
        if is_enough() and not self._is_gone:
            return
        bell = self._bell = self._bell or asyncio.Event()
        before, idle_s = taken_bytes(self._transport), 0.0
        while not self._is_gone and not is_enough():
            bell.clear()
            try:
                async with asyncio.timeout(look_s):
                    await bell.wait()
            except TimeoutError:
                taken = taken_bytes(self._transport)
                idle_s = 0.0 if taken > before else idle_s + look_s
                before = taken
            if idle_s >= STALLED_S:
                log.info("a slow subscriber was cut off")
                self.has_stalled = True
                self.cut_off()
        if self._is_gone:
            raise PeerLeft

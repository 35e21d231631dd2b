"""What images hold in memory on their way into the object store, all requests together.

Images come as fast as their senders are, and go as fast as the object store is: what lies in between is bounded here.
Each has a share that grows as it passes, so that many slow senders hold no more than they have sent. Whoever finds no
room waits, its sender with it, in turn; those that hold something come before those that only begin.

Where all that hold something wait for more, none would ever end. So one at a time may go beyond the bound.
"""

import asyncio
from collections import deque
from typing import Final

from attrs import define, field

from gateway.errors import Unavailable

PATIENCE_S: Final = 10.0
"""How long an image waits for room: as a rule, it comes much sooner, with the next end of a put."""
_RETRY_S: Final = 2


@define(eq=False)
class BytesInFlight:
    """At most `max_bytes` in all shares together, and what one image holds beyond them."""

    max_bytes: int
    patience_s: float = PATIENCE_S
    held_bytes: int = field(init=False, default=0)
    _beginning: deque["_Waiting"] = field(init=False, factory=deque)
    _growing: deque["_Waiting"] = field(init=False, factory=deque)
    _beyond: "Share | None" = field(init=False, default=None)
    """The one that may go beyond the bound, until it is given back."""

    @property
    def is_full(self) -> bool:
        """Whether an image waits, or the next one surely would."""
        return bool(self._growing or self._beginning) or self.held_bytes >= self.max_bytes

    def share(self, most_bytes: int) -> "Share":
        """For an image that holds so many bytes at most. It is empty, and must be given back."""
        return Share(self, most_bytes)

    async def _grow(self, share: "Share", size: int) -> None:
        queue = self._growing if share.held_bytes else self._beginning
        nobody_waits = not self._growing and not queue
        if share is self._beyond or (nobody_waits and self._admits(share, size)):
            self._add(share, size)
            return
        waiting = _Waiting(share, size)
        queue.append(waiting)
        try:
            async with asyncio.timeout(self.patience_s):
                await waiting.turn
        except TimeoutError:
            self._leave(queue, waiting)
            text = "Too much is on its way into the object storage."
            raise Unavailable(text, code="busy", retry_after_s=_RETRY_S) from None
        except asyncio.CancelledError:
            self._leave(queue, waiting)
            raise

    def _leave(self, queue: deque["_Waiting"], waiting: "_Waiting") -> None:
        """Of one that waits no more. If its turn has come in that very instant, that goes back with its share."""
        if not waiting.has_its_turn:
            queue.remove(waiting)
            self._call_next()

    def _give_back(self, share: "Share") -> None:
        self.held_bytes -= share.held_bytes
        share.held_bytes = 0
        if self._beyond is share:
            self._beyond = None
        self._call_next()

    def _call_next(self) -> None:
        """Those that have waited longest, as far as there is room."""
        while queue := self._growing or self._beginning:
            first = queue[0]
            if not self._admits(first.share, first.size):
                return
            queue.popleft()
            self._add(first.share, first.size)
            first.call()

    def _admits(self, share: "Share", size: int) -> bool:
        if self.held_bytes == 0 or self.held_bytes + size <= self.max_bytes:
            return True
        return share.held_bytes > 0 and self._beyond in (None, share)

    def _add(self, share: "Share", size: int) -> None:
        share.held_bytes += size
        self.held_bytes += size
        if self.held_bytes > self.max_bytes:
            self._beyond = share


@define(eq=False)
class Share:
    """Of one image, which alone uses it."""

    _of: BytesInFlight
    _most_bytes: int
    held_bytes: int = field(init=False, default=0)

    async def grow(self, size: int) -> None:
        """By so many bytes, but to no more than it may hold; waits for them.

        Raises Unavailable (busy) when no room comes within `patience_s`.
        """
        more = min(size, self._most_bytes - self.held_bytes)
        if more > 0:
            await self._of._grow(self, more)  # noqa: SLF001 - two halves of one thing

    def give_back(self) -> None:
        """All of it, for good: it grows no more. It may be given back more than once."""
        self._most_bytes = 0
        self._of._give_back(self)  # noqa: SLF001


@define(eq=False)
class _Waiting:
    """One in the queue. Its turn stands though the waiting task be cancelled in the same instant."""

    share: Share
    size: int
    has_its_turn: bool = field(init=False, default=False)
    turn: asyncio.Future[None] = field(init=False)

    @turn.default
    def _new_turn(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    def call(self) -> None:
        self.has_its_turn = True
        if not self.turn.done():
            self.turn.set_result(None)

"""What images hold in memory on their way into the object store, all requests together.

Images come as fast as their senders are, and go as fast as the object store is: what lies in between is bounded here.
Whoever finds no room waits, its sender with it, in the order of their coming. Nobody waits for more while it holds
some, so that those inside always come to their end.
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
    """At most `max_bytes` together, but one image is always let in, however large."""

    max_bytes: int
    patience_s: float = PATIENCE_S
    held_bytes: int = field(init=False, default=0)
    _waiting: deque["_Waiting"] = field(init=False, factory=deque)

    @property
    def is_full(self) -> bool:
        """Whether an image waits, or the next one surely would."""
        return bool(self._waiting) or self.held_bytes >= self.max_bytes

    async def take(self, size: int) -> None:
        """Wait for so many bytes, in turn; to be given back. Raises Unavailable (busy) after `patience_s`."""
        if not self._waiting and self._has_room_for(size):
            self.held_bytes += size
            return
        waiting = _Waiting(size)
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(self.patience_s):
                await waiting.turn
        except TimeoutError:
            self._leave(waiting)
            text = "Too much is on its way into the object storage."
            raise Unavailable(text, code="busy", retry_after_s=_RETRY_S) from None
        except asyncio.CancelledError:
            self._leave(waiting)
            raise

    def give_back(self, size: int) -> None:
        self.held_bytes -= size
        self._admit()

    def _leave(self, waiting: "_Waiting") -> None:
        """Of one that waits no more, though its turn may have come in that very instant."""
        if waiting.has_its_turn:
            self.give_back(waiting.size)
        else:
            self._waiting.remove(waiting)
            self._admit()

    def _admit(self) -> None:
        """Those that have waited longest, as far as there is room."""
        while self._waiting and self._has_room_for(self._waiting[0].size):
            first = self._waiting.popleft()
            self.held_bytes += first.size
            first.call()

    def _has_room_for(self, size: int) -> bool:
        return self.held_bytes == 0 or self.held_bytes + size <= self.max_bytes


@define(eq=False)
class _Waiting:
    """One in the queue. Its turn stands though the waiting task be cancelled in the same instant."""

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

"""What images hold in memory on their way into the object store, all requests together.

Images come as fast as their senders are, and go as fast as the object store is: what lies in between is bounded here.
Whoever finds no room waits, its sender with it, in the order of their coming. Nobody waits for a second share while it
holds a first, so that those inside always come to their end.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final

from attrs import define, field

from gateway.errors import Unavailable

FREE_BYTES: Final = 256 * 1024
"""What an image may bring without a share: small ones cost nothing here, and are never held up by large ones."""
PATIENCE_S: Final = 10.0
"""How long an image waits for its share: as a rule, room comes much sooner, with the next end of a put."""
_RETRY_S: Final = 2


@define(eq=False)
class BytesInFlight:
    """At most `max_bytes` in all shares together, but one share is always given, however large."""

    max_bytes: int
    patience_s: float = PATIENCE_S
    held_bytes: int = field(init=False, default=0)
    _waiting: deque["_Waiting"] = field(init=False, factory=deque)

    @property
    def is_full(self) -> bool:
        """Whether an image that needs a share waits, or the next one surely would."""
        return bool(self._waiting) or self.held_bytes >= self.max_bytes

    def share(self, size: int) -> "Share":
        """What one image may hold: `size` bytes from its second piece on, until the end of the context."""
        return Share(self, size)

    async def take(self, size: int) -> None:
        """Wait for so many bytes, in turn. Raises Unavailable (busy) after `patience_s`."""
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
class Share:
    """Of one image. It is taken as the image passes, and given back at the end of the context, however that comes."""

    _of: BytesInFlight
    _size: int
    _is_taken: bool = field(init=False, default=False)
    _is_over: bool = field(init=False, default=False)

    def __enter__(self) -> "Share":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        if self._is_taken:
            self._of.give_back(self._size)

    async def passing(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """That body. Behind its first FREE_BYTES nothing of it is read before the share was taken.

        After the end of the context the rest of it passes freely, for nobody holds it. Raises Unavailable (busy), and
        what `body` raises.
        """
        passed = 0
        async for chunk in body:
            yield chunk
            passed += len(chunk)
            if passed >= FREE_BYTES:
                await self._take()

    async def _take(self) -> None:
        if not self._is_taken and not self._is_over:
            await self._of.take(self._size)
            self._is_taken = True


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

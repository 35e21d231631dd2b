"""When those who keep up are written to: at once if news come alone, joined if many come in a row.

They are written to one after another, in slices between which the loop turns. Who does not keep up leaves, and joins
again once it does.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from attrs import define, field

JOIN_S: Final = 0.05
"""Between two flushes, so that what comes in a row is joined; what comes alone goes at once."""
_SLICE: Final = 250

F = TypeVar("F")
F_contra = TypeVar("F_contra", contravariant=True)


class Listener(Protocol[F_contra]):
    """One who is told."""

    def take(self, flush: F_contra) -> None:
        """Write it, if all before it was written and there is room; else leave."""


@define(eq=False)
class Telling(Generic[F]):
    """Those who keep up. `next_flush` gives what they have not been told yet, None when that is nothing."""

    _next_flush: Callable[[], F | None]
    _live: dict[Listener[F], None] = field(factory=dict)
    _next: asyncio.Handle | None = None
    _told_at: float = float("-inf")

    def join(self, listener: Listener[F]) -> None:
        """Write to it with the others from now on."""
        self._live[listener] = None

    def leave(self, listener: Listener[F]) -> None:
        self._live.pop(listener, None)

    def plan(self) -> None:
        """There is news."""
        if self._next is not None:
            return
        loop = asyncio.get_running_loop()
        due = self._told_at + JOIN_S
        if due <= loop.time():
            self._next = loop.call_soon(self._flush)
        else:
            self._next = loop.call_at(due, self._flush)

    def close(self) -> None:
        """Nobody listens any more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _flush(self) -> None:
        flush = self._next_flush()
        self._next = None
        if flush is not None:
            self._tell(flush)

    def _tell(self, flush: F) -> None:
        """Begin to write it to all who are live."""
        self._told_at = asyncio.get_running_loop().time()
        self._write(flush, list(self._live), 0)

    def _write(self, flush: F, listeners: list[Listener[F]], start: int) -> None:
        for listener in listeners[start : start + _SLICE]:
            listener.take(flush)
        loop = asyncio.get_running_loop()
        if start + _SLICE < len(listeners):
            self._next = loop.call_soon(self._write, flush, listeners, start + _SLICE)
        elif (following := self._next_flush()) is not None:
            # All of one burst follows on its heels; what comes now is joined again.
            self._next = loop.call_soon(self._tell, following)
        else:
            self._next = None

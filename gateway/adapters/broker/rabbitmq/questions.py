"""What a connection was asked and has not answered, so that a silent one is noticed.

A peer that is gone without a word (a pulled cable, a frozen machine) ends no wait; AMQP's heartbeats need half a
minute to tell. Here any answer counts as a sign of life, and a question that was given up is still unanswered.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from attrs import define, field, frozen


@define(eq=False)
class Questions:
    """The questions on one connection; as a context it is one more, asked for as long as the block runs.

    A refusal is an answer; giving up is none.
    """

    _now: Callable[[], float] = time.monotonic
    _open: int = field(init=False, default=0)
    _silent_since: float | None = field(init=False, default=None)
    _listeners: set[Callable[[], None]] = field(init=False, factory=set)

    def __enter__(self) -> None:
        if self._silent_since is None:
            self._silent_since = self._now()
        self._open += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._open -= 1
        if kind is None or not issubclass(kind, asyncio.CancelledError):
            self.heard()

    def heard(self) -> None:
        """The other side has given a sign of life."""
        self._silent_since = self._now() if self._open else None

    def excuse(self) -> None:
        """The silence until now has a known cause."""
        if self._silent_since is not None:
            self._silent_since = self._now()
        for listener in self._listeners:
            listener()

    def telling_excuses(self, listener: Callable[[], None]) -> AbstractContextManager[None]:
        """It is called, while the block runs, as often as the silence is excused."""
        return _Listening(self._listeners, listener)

    def forget(self) -> None:
        """The connection is another one; what was asked on the old one counts no more."""
        self._silent_since = None

    @property
    def is_any_open(self) -> bool:
        """Whether somebody still waits for an answer."""
        return self._open > 0

    @property
    def silent_s(self) -> float:
        """For how long an answer has been outstanding without any having come."""
        return 0.0 if self._silent_since is None else self._now() - self._silent_since


@frozen(eq=False)
class _Listening(AbstractContextManager[None]):
    _listeners: set[Callable[[], None]]
    _listener: Callable[[], None]

    def __enter__(self) -> None:
        self._listeners.add(self._listener)

    def __exit__(self, *_: object) -> None:
        self._listeners.discard(self._listener)

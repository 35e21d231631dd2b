"""Which of many jobs are asked for next on one connection."""

from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol

from attrs import define, field

from gateway.client.live.told import Told

UNANSWERED: Final = 50
"""So many subscriptions at most are asked for and unanswered: who asks on and does not listen is a slow reader."""


class Subscribing(Protocol):
    """A connection on which jobs are followed."""

    async def subscribe(self, job_id: str, after: str | None, *, images: bool) -> None:
        """Ask for it."""


@define(eq=False)
class Turns:
    """Which jobs are subscribed to on one connection, and which have yet to be.

    Where a gateway allows fewer at a time than there are, the others get their turn as jobs end. One that can't be
    followed now is asked for again at its time.
    """

    _door: Subscribing
    _open: Mapping[str, Told]
    _images: bool = field(kw_only=True)
    _waiting: deque[str] = field(init=False)
    _asked: set[str] = field(init=False, factory=set)
    _subscribed: set[str] = field(init=False, factory=set)
    _unopened: set[str] = field(init=False, factory=set)
    _later: dict[str, float] = field(init=False, factory=dict)
    _is_full: bool = field(init=False, default=False)

    @_waiting.default
    def _all(self) -> deque[str]:
        return deque(self._open)

    async def take(self, now: float) -> None:
        """Subscribe to as many as may be asked for now."""
        self._waiting.extend(job_id for job_id, when in self._later.items() if when <= now)
        self._later = {job_id: when for job_id, when in self._later.items() if when > now}
        while self._waiting and len(self._asked) < UNANSWERED and not self._is_full:
            job_id = self._waiting.popleft()
            self._asked.add(job_id)
            await self._door.subscribe(job_id, self._open[job_id].position, images=self._images)

    @property
    def next_at(self) -> float | None:
        """When there is one to be asked for again."""
        return min(self._later.values(), default=None)

    def answered(self, job_id: str) -> None:
        self._asked.discard(job_id)
        self._subscribed.add(job_id)
        self._unopened.add(job_id)

    def is_first(self, job_id: str) -> bool:
        """Whether the event of that job that has come is the first one since its subscription."""
        is_first = job_id in self._unopened
        self._unopened.discard(job_id)
        return is_first

    def put_off(self, job_id: str) -> bool:
        """Whether there will be a turn for it: when another job ends, one that is followed or may yet be."""
        self._asked.discard(job_id)
        self._waiting.append(job_id)
        self._is_full = bool(self._subscribed or self._asked or self._later)
        return self._is_full

    def later(self, job_id: str, when: float) -> None:
        """It is not followed, or no longer, and to be asked for again then. Its place is free for another one."""
        self.ended(job_id)
        self._later[job_id] = when

    def ended(self, job_id: str) -> None:
        self._asked.discard(job_id)
        self._subscribed.discard(job_id)
        self._is_full = False

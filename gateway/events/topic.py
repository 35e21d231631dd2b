"""The news of one job on its way to all who follow it: written once for each kind of door, bursts joined.

Who has taken all that came so far is written to with the others. Who has not is left out, and goes on by itself from
the log.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from attrs import define, field

from gateway.domain.events import Event, EventType
from gateway.events.pending import merged
from gateway.events.telling import Listener, Telling
from gateway.events.wire import Wire

PIECE_EVENTS: Final = 128
"""That are written to a subscriber before it is looked whether it takes them."""
MOST_RECENT: Final = 4096


@define(eq=False)
class Flush:
    """Events that are told together; `before` is the number of the one before them, `seq` that of the last one."""

    job_id: str
    events: Sequence[Event]
    before: int
    last: Event
    seq: int = field(init=False)
    messages: int = field(init=False)
    has_end: bool = field(init=False)
    """Whether the job's last event is among them."""
    _bytes: dict[Wire, bytes] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        # Once, not for each subscriber.
        self.seq, self.messages, self.has_end = self.last.seq, len(self.events), is_end(self.last)

    def on(self, wire: Wire) -> bytes:
        written = self._bytes.get(wire)
        if written is None:
            written = self._bytes[wire] = wire.news(self.job_id, self.events)
        return written


class Subscriber(Listener[Flush], Protocol):
    """One who follows the job."""

    def job_deleted(self) -> None:
        """There is nothing more to come."""


@define(eq=False)
class Bell:
    """Rings when there is news of the job, for who reads by itself."""

    _rung: asyncio.Event = field(factory=asyncio.Event)

    def ring(self) -> None:
        self._rung.set()

    def reset(self) -> None:
        """Before reading: what is committed after this rings again."""
        self._rung.clear()

    async def wait(self) -> None:
        await self._rung.wait()


@define(eq=False)
class Topic:
    """One job. `newest` is the number of the newest event that was announced, `told` of that which went to all."""

    job_id: str
    newest: int = 0
    told: int = 0
    last_told: Event | None = None
    bells: set[Bell] = field(factory=set)
    subscribers: set[Subscriber] = field(factory=set)
    _recent: deque[Event] = field(factory=lambda: deque(maxlen=MOST_RECENT))
    _telling: Telling[Flush] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._telling = Telling(self._next_flush)

    @property
    def is_idle(self) -> bool:
        """Nobody listens."""
        return not self.bells and not self.subscribers

    def announce(self, events: Sequence[Event]) -> None:
        """Take committed events; those that were taken already are left aside."""
        fresh = [event for event in events if event.seq > self.newest]
        if not fresh:
            return
        if self._recent and fresh[0].seq != self.newest + 1:
            self._recent.clear()
        self._recent.extend(fresh)
        self.newest = fresh[-1].seq
        for bell in self.bells:
            bell.ring()
        self._telling.plan()

    def keep_recent(self, most: int) -> None:
        """From now on at most so many of the newest events are at hand, until it is told otherwise."""
        self._recent = deque(self._recent, maxlen=most)

    def recent(self, *, after: int, limit: int = MOST_RECENT) -> list[Event]:
        """The events after that one, if they are at hand without a gap; else none."""
        if not self._recent or self._recent[0].seq > after + 1:
            return []
        skipped = after + 1 - self._recent[0].seq
        return [self._recent[place] for place in range(skipped, min(len(self._recent), skipped + limit))]

    def join(self, subscriber: Subscriber) -> None:
        """Write to it with the others from now on."""
        self._telling.join(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        self._telling.leave(subscriber)

    def end(self) -> None:
        """The job was deleted."""
        for bell in self.bells:
            bell.ring()
        for subscriber in tuple(self.subscribers):
            subscriber.job_deleted()

    def close(self) -> None:
        """Nobody listens any more, nor will: a topic is released once."""
        self._telling.close()
        self._telling = Telling(_nothing)  # it knows this topic, which would stay until garbage is collected

    def _next_flush(self) -> Flush | None:
        if self.told >= self.newest:
            return None
        events = self._next_events()
        flush = Flush(self.job_id, merged(events), events[0].seq - 1, events[-1])
        self.told, self.last_told = flush.last.seq, flush.last
        return flush

    def _next_events(self) -> Sequence[Event]:
        waiting = self.recent(after=self.told, limit=PIECE_EVENTS)
        return waiting or [self._recent[place] for place in range(min(len(self._recent), PIECE_EVENTS))]


def _nothing() -> None:
    return None


def is_end(event: Event) -> bool:
    """Whether it is the last one of its job."""
    return event.type is EventType.JOB_COMPLETE

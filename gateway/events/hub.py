"""Who listens to which job.

The hub wakes listeners and holds nothing for them: each reads the log at its own pace, so a slow one costs no memory
and holds up nobody. The newest events of a job that is listened to are kept at hand, to spare reads of the log.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field

from gateway.domain.events import Change, Event

RECENT_EVENTS = 256

Observer = Callable[[Change], None]


@define(eq=False)
class Listener:
    """One subscriber's bell."""

    _bell: asyncio.Event = field(factory=asyncio.Event)

    def ring(self) -> None:
        self._bell.set()

    def reset(self) -> None:
        """Before reading the log: what is committed after this rings again."""
        self._bell.clear()

    async def wait(self) -> None:
        await self._bell.wait()


@define(eq=False)
class _Topic:
    announced: int = 0
    listeners: set[Listener] = field(factory=set)
    recent: deque[Event] = field(factory=lambda: deque(maxlen=RECENT_EVENTS))


@define(eq=False)
class Hub:
    """Announces committed changes, to listeners of the job and to observers of all jobs."""

    _topics: dict[str, _Topic] = field(factory=dict)
    _observers: list[Observer] = field(factory=list)

    @property
    def topics(self) -> int:
        """How many jobs are listened to."""
        return len(self._topics)

    def observe(self, observer: Observer) -> None:
        """Call it, which must not block, with every change from now on."""
        self._observers.append(observer)

    def announce(self, change: Change) -> None:
        """Tell of a change that was committed."""
        for observer in self._observers:
            observer(change)
        topic = self._topics.get(change.job.job_id)
        if topic is None or not change.events:
            return
        if topic.recent and topic.recent[-1].seq + 1 != change.events[0].seq:
            topic.recent.clear()
        topic.announced = change.job.seq
        topic.recent.extend(change.events)
        for listener in topic.listeners:
            listener.ring()

    def announced(self, job_id: str) -> int:
        """The number of the newest event that was announced since somebody listens; 0 for none."""
        topic = self._topics.get(job_id)
        return topic.announced if topic else 0

    def recent(self, job_id: str, *, after: int) -> tuple[Event, ...]:
        """The events after that one, if they are at hand without a gap; else none."""
        topic = self._topics.get(job_id)
        if topic is None or not topic.recent or topic.recent[0].seq > after + 1:
            return ()
        return tuple(event for event in topic.recent if event.seq > after)

    @contextmanager
    def listen(self, job_id: str) -> Iterator[Listener]:
        """A listener of that job, for as long as the context lasts."""
        topic = self._topics.setdefault(job_id, _Topic())
        listener = Listener()
        topic.listeners.add(listener)
        try:
            yield listener
        finally:
            topic.listeners.discard(listener)
            if not topic.listeners:
                del self._topics[job_id]

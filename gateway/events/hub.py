"""Who listens to which job: the hub hands committed changes to those jobs' topics, and to observers of all jobs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define, field

from gateway.domain.events import Change
from gateway.events.topic import MOST_RECENT, Bell, Topic

MOST_RECENT_IN_ALL: Final = 65_536
_LEAST_RECENT: Final = 16

Observer = Callable[[Change], None]
DeletionObserver = Callable[[str], None]


@define(eq=False)
class Hub:
    """Announces committed changes.

    The newest events of jobs that are listened to are kept at hand, to spare reads of the log: of each its share of
    MOST_RECENT_IN_ALL, and a few at least. Shares are dealt anew when there are twice as many jobs, so until then all
    may have twice as many events.
    """

    _topics: dict[str, Topic] = field(factory=dict)
    _shared_among: int = 1
    _observers: list[Observer] = field(factory=list)
    _deletion_observers: list[DeletionObserver] = field(factory=list)

    @property
    def topics(self) -> int:
        """How many jobs are listened to."""
        return len(self._topics)

    def observe(self, observer: Observer) -> None:
        """Call it, which must not block, with every change from now on."""
        self._observers.append(observer)

    def observe_deletions(self, observer: DeletionObserver) -> None:
        """Call it, which must not block, with the id of every job that is deleted from now on."""
        self._deletion_observers.append(observer)

    def announce(self, change: Change) -> None:
        """Tell of a change that was committed."""
        for observer in self._observers:
            observer(change)
        topic = self._topics.get(change.job.job_id)
        if topic is not None:
            topic.announce(change.events)

    def announce_deleted(self, job_id: str) -> None:
        """Tell of a job that was deleted."""
        for observer in self._deletion_observers:
            observer(job_id)
        topic = self._topics.get(job_id)
        if topic is not None:
            topic.end()

    def topic(self, job_id: str) -> Topic:
        """The topic of that job, to add a listener to at once; `release` it afterwards."""
        topic = self._topics.get(job_id)
        if topic is None:
            topic = self._topics[job_id] = Topic(job_id)
            self._share_out(topic)
        return topic

    def release(self, topic: Topic) -> None:
        """A listener is gone from it."""
        if topic.is_idle and self._topics.get(topic.job_id) is topic:
            topic.close()
            del self._topics[topic.job_id]

    @contextmanager
    def listen(self, job_id: str) -> Iterator[Bell]:
        """A bell that rings with the news of that job, for as long as the context lasts."""
        topic, bell = self.topic(job_id), Bell()
        topic.bells.add(bell)
        try:
            yield bell
        finally:
            topic.bells.discard(bell)
            self.release(topic)

    def _share_out(self, topic: Topic) -> None:
        """To the new one, or to all once there are many more or fewer than when they were given theirs."""
        is_as_before = self._shared_among // 4 < len(self._topics) < self._shared_among * 2
        if not is_as_before:
            self._shared_among = len(self._topics)
        share = max(_LEAST_RECENT, min(MOST_RECENT, MOST_RECENT_IN_ALL // self._shared_among))
        for each in (topic,) if is_as_before else self._topics.values():
            each.keep_recent(share)

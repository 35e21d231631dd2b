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
    MOST_RECENT_IN_ALL, as large as it was when the job last had news, and a few at least.
    """

    _topics: dict[str, Topic] = field(factory=dict)
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
            topic.most_recent = self._share
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

    @property
    def _share(self) -> int:
        return max(_LEAST_RECENT, min(MOST_RECENT, MOST_RECENT_IN_ALL // len(self._topics)))

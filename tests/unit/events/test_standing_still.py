"""Who does not read is a position in the log: it holds no more, the more there is for it."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest
from attrs import define, evolve, field

from gateway.domain.events import Change, Event, EventType
from gateway.domain.job import Job
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.events.stream import EventStream
from gateway.events.telling import JOIN_S
from gateway.events.topic import MOST_RECENT
from tests.builders import an_accepted_job, an_image
from tests.hand_loop import HandLoop, hand_loop
from tests.recording_subscriber import RecordingSubscriber
from tests.recording_transport import RecordingTransport
from tests.traced_memory import traced_memory
from tests.unit.events.honest_store import HonestStore

UPDATES = 10_000
AT_ONCE = 50
LITTLE_BYTES = 128 * 1024
"""What is in hand at the moment; so many updates would be megabytes."""


@define(eq=False)
class Updates:
    """Of a job, in its hub; its store knows the first ones alone, for nobody reads the others."""

    loop: HandLoop
    hub: Hub = field(factory=Hub)
    store: HonestStore = field(factory=HonestStore)
    job: Job = field(init=False)
    readers: list[RecordingSubscriber] = field(factory=list)
    _seq: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        accepted = an_accepted_job(1)
        self.store.commit(accepted)
        self.job, self._seq = accepted.job, accepted.job.seq

    def follow(self, room: int) -> RecordingSubscriber:
        latest = LatestJobs(self.store)  # type: ignore[arg-type]  # nothing but `get` is asked of it
        stream = EventStream(latest, self.store)
        reader = RecordingSubscriber(self.hub, stream, self.job.job_id, transport=RecordingTransport(room))
        self.readers.append(reader)
        self.loop.call(reader.start)
        return reader

    def close(self) -> None:
        """Everybody leaves."""
        for reader in self.readers:
            self.loop.create_task(reader.leave())
        self.loop.settle()

    def announce(self, count: int) -> None:
        """So many ends of images, and time to tell them."""
        for _ in range(0, count, AT_ONCE):
            self.loop.call(self.hub.announce, Change(self.job, tuple(self._ends())))
            self.loop.turn(JOIN_S)

    def _ends(self) -> Iterator[Event]:
        for _ in range(AT_ONCE):
            self._seq += 1
            yield Event(
                seq=self._seq,
                type=EventType.IMAGE_COMPLETE,
                at=self.job.updated_at,
                status=self.job.status,
                counts=self.job.counts,
                image=evolve(an_image(), index=self._seq),
            )


@pytest.fixture
def updates() -> Iterator[Updates]:
    with hand_loop() as loop:
        updates = Updates(loop)
        yield updates
        updates.close()


def held_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_ten_thousand_updates_more_hold_no_more_memory(updates: Updates):
    reader = updates.follow(room=1)
    reader.transport.stop_reading()
    with traced_memory():
        updates.announce(MOST_RECENT + AT_ONCE)
        before, written = held_bytes(), reader.transport.writes
        for _ in range(0, UPDATES, 1000):
            updates.announce(1000)
            # So that it is not cut off.
            updates.loop.call(reader.transport.read, 1)
        assert held_bytes() - before < LITTLE_BYTES
    assert reader.transport.writes == written
    assert not reader.transport.was_aborted

"""One subscription: its opening, what comes after it, and how it ends, whatever happens meanwhile."""

from collections.abc import Iterator, Sequence

import pytest
from attrs import define, field
from structlog.testing import capture_logs

from gateway.domain.events import Change, Event, EventType
from gateway.domain.job import Job
from gateway.errors import Unavailable
from gateway.events.follower import End
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.events.stream import EventStream
from gateway.events.telling import JOIN_S
from tests.builders import an_accepted_job, complete, publish
from tests.hand_loop import HandLoop, hand_loop
from tests.recording_subscriber import RecordingSubscriber, RecordingWire
from tests.recording_transport import RecordingTransport
from tests.unit.events.honest_store import HonestStore

PROGRESS, IMAGE, END = EventType.PROGRESS, EventType.IMAGE_COMPLETE, EventType.JOB_COMPLETE


@define(eq=False)
class Engine:
    """Everything but the doors, in a loop that the test turns."""

    loop: HandLoop
    store: HonestStore = field(factory=HonestStore)
    hub: Hub = field(factory=Hub)
    stream: EventStream = field(init=False)
    readers: list[RecordingSubscriber] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        latest = LatestJobs(self.store)  # type: ignore[arg-type]  # nothing but `get` is asked of it
        self.hub.observe(latest.observe)
        self.hub.observe_deletions(latest.forget)
        self.stream = EventStream(latest, self.store)

    def accept(self, images: int = 3) -> Job:
        return self.commit(an_accepted_job(images))

    def commit(self, change: Change, *, announced: bool = True) -> Job:
        self.store.commit(change)
        if announced:
            self.loop.call(self.hub.announce, change)
        return change.job

    def delete(self, job: Job) -> None:
        self.store.delete(job.job_id)
        self.loop.call(self.hub.announce_deleted, job.job_id)

    def subscriber(self, job: Job, after: str | None = None, **options: object) -> RecordingSubscriber:
        reader = RecordingSubscriber(self.hub, self.stream, job.job_id, after, **options)  # type: ignore[arg-type]
        self.readers.append(reader)
        self.loop.call(reader.start)
        return reader

    def close(self) -> None:
        """Everybody leaves."""
        self.store.let_all_go()
        for reader in self.readers:
            self.loop.create_task(reader.leave())
        self.loop.settle()
        assert self.hub.topics == 0


@pytest.fixture
def engine() -> Iterator[Engine]:
    with hand_loop() as loop:
        engine = Engine(loop)
        yield engine
        engine.close()


def seqs(events: Sequence[Event]) -> list[int]:
    return [event.seq for event in events]


def test_who_has_taken_all_is_told_at_once_and_without_the_log(engine: Engine):
    job = engine.accept()
    reader = engine.subscriber(job)
    engine.commit(publish(job))
    assert seqs(reader.events) == [2]
    assert engine.store.reads_of_logs == 0


def test_who_has_no_room_gets_nothing_and_then_all_that_counts(engine: Engine):
    job = engine.accept()
    reader = engine.subscriber(job, transport=RecordingTransport(room=1))
    reader.transport.stop_reading()
    for index in range(3):
        job = engine.commit(publish(job, index))
        job = engine.commit(complete(job, index))
        engine.loop.turn(2 * JOIN_S)
    written = reader.transport.writes
    engine.loop.call(reader.transport.go_on_reading)
    assert written == 2, "the opening and what filled its room"
    assert [event.type for event in reader.events] == [PROGRESS, IMAGE, IMAGE, IMAGE, END]
    assert reader.ends == [End.COMPLETE]


def test_what_is_announced_while_the_log_is_read_follows_what_was_read(engine: Engine):
    job = engine.accept()
    job = engine.commit(publish(job))
    reader = engine.subscriber(job, after="0")
    engine.store.holds = True
    late = engine.subscriber(job, after="0")
    job = engine.commit(publish(job, 1))
    engine.loop.call(engine.store.let_all_go)
    engine.loop.turn(2 * JOIN_S)
    assert seqs(late.events) == [2, 3]
    assert seqs(reader.events) == [2, 3]


def test_what_is_announced_before_the_opening_was_read_is_in_it(engine: Engine):
    job = engine.accept()
    engine.store.holds = True
    reader = engine.subscriber(job)
    job = engine.commit(publish(job))
    engine.loop.call(engine.store.let_all_go)
    assert (reader.opening.event.seq, reader.events) == (2, [])
    job = engine.commit(publish(job, 1))
    engine.loop.turn(2 * JOIN_S)
    assert seqs(reader.events) == [3]


def test_who_opened_ahead_of_what_is_told_hears_nothing_twice_and_reads_no_log_for_it(engine: Engine):
    """The others wait for the end of the join; the opening has it already."""
    job = engine.accept()
    engine.subscriber(job)
    for index in range(3):
        job = engine.commit(publish(job, index))
    reader = engine.subscriber(job)
    assert reader.opening.event.seq == job.seq
    engine.loop.turn(2 * JOIN_S)
    assert reader.events == []
    assert engine.store.reads_of_logs == 0


def test_a_commit_that_was_read_before_it_was_announced_is_not_told_twice(engine: Engine):
    job = engine.accept()
    change = publish(job)
    engine.commit(change, announced=False)
    reader = engine.subscriber(job)
    assert reader.opening.event.seq == 2
    engine.loop.call(engine.hub.announce, change)
    engine.loop.turn(1)
    assert reader.events == []


def test_a_state_that_was_shown_is_gone_on_from_while_its_commit_is_not_announced_yet(engine: Engine):
    job = engine.accept()
    first = publish(job)
    engine.commit(first, announced=False)
    second = publish(first.job, 1)
    engine.commit(second, announced=False)
    shown = engine.subscriber(job).opening.event
    engine.loop.call(engine.hub.announce, first)
    again = engine.subscriber(job, after=str(engine.stream.position(shown)))
    assert (again.opening.resumed, again.opening.event.seq) == (True, shown.seq)


def test_nothing_of_the_log_is_told_before_it_was_announced(engine: Engine):
    job = engine.accept()
    reader = engine.subscriber(job, after="0")
    engine.commit(publish(job), announced=False)
    engine.loop.turn(1)
    assert seqs(reader.events) == [1]


def test_an_announcement_that_was_lost_leaves_no_gap(engine: Engine):
    job = engine.accept()
    reader = engine.subscriber(job)
    job = engine.commit(complete(job), announced=False)
    job = engine.commit(complete(job, 1))
    engine.loop.turn(1)
    assert [event.image.index for event in reader.events if event.image] == [0, 1]


def test_what_one_who_comes_back_to_a_quiet_job_was_told_last_is_known(engine: Engine):
    """It has read that by itself: the topic has told nothing since."""
    job = engine.accept()
    job = engine.commit(complete(job))
    reader = engine.subscriber(job, after="0")
    assert seqs(reader.events) == [2]
    assert reader.follower.last_told() == reader.events[-1]


def test_what_was_told_last_is_known_of_what_was_told_to_all(engine: Engine):
    job = engine.accept()
    reader = engine.subscriber(job)
    engine.commit(publish(job))
    assert reader.follower.last_told() == reader.events[-1]


def test_what_waits_for_one_that_reads_slowly_is_not_what_it_was_told_last(engine: Engine):
    job = engine.accept()
    reader = engine.subscriber(job, transport=RecordingTransport(room=1))
    reader.transport.stop_reading()
    for index in range(3):
        job = engine.commit(publish(job, index))
        engine.loop.turn(2 * JOIN_S)
    told = reader.follower.last_told()
    assert told is None or told.seq < job.seq


def test_nothing_was_told_last_before_the_opening_nor_after_the_end(engine: Engine):
    job = engine.accept(1)
    engine.store.holds = True
    reader = engine.subscriber(job)
    assert reader.follower.last_told() is None
    engine.loop.call(engine.store.let_all_go)
    engine.commit(complete(publish(job).job))
    assert reader.ends == [End.COMPLETE]
    assert reader.follower.last_told() is None


class TestDeletion:
    def test_of_a_job_whose_state_is_being_read(self, engine: Engine):
        job = engine.accept()
        engine.store.holds = True
        reader = engine.subscriber(job)
        engine.delete(job)
        engine.loop.call(engine.store.let_all_go)
        assert (reader.ends, reader.told) == ([End.DELETED], [])

    def test_of_a_job_whose_log_is_being_read(self, engine: Engine):
        job = engine.accept()
        engine.subscriber(job)
        reader = engine.subscriber(job, after="0", transport=RecordingTransport(room=1))
        engine.store.holds = True
        reader.transport.stop_reading()
        job = engine.commit(publish(job))
        engine.delete(job)
        engine.loop.call(engine.store.let_all_go)
        engine.loop.call(reader.transport.go_on_reading)
        assert reader.ends == [End.DELETED]

    def test_that_is_not_told_yet(self, engine: Engine):
        job = engine.accept()
        engine.store.delete(job.job_id)
        reader = engine.subscriber(job)
        assert (reader.ends, reader.told) == ([End.DELETED], [])
        engine.loop.call(engine.hub.announce_deleted, job.job_id)
        assert reader.ends == [End.DELETED]

    def test_of_a_job_that_was_told_all(self, engine: Engine):
        job = engine.accept()
        reader = engine.subscriber(job)
        engine.delete(job)
        assert reader.ends == [End.DELETED]

    def test_while_its_news_are_written_to_others(self, engine: Engine):
        job = engine.accept()
        readers = [engine.subscriber(job) for _ in range(300)]
        change = publish(job)
        engine.store.commit(change)
        engine.loop.call_soon(engine.hub.announce, change)
        engine.loop.settle(2)
        engine.hub.announce_deleted(job.job_id)
        engine.loop.settle()
        assert sum(seqs(reader.events) == [2] for reader in readers) == 250
        assert all(reader.ends == [End.DELETED] for reader in readers)


def test_a_log_that_cannot_be_read_ends_it_and_it_is_said_so(engine: Engine):
    class Broken(HonestStore):
        async def get(self, job_id: str) -> Job:
            raise Unavailable("The job store does not answer.")

    job = engine.accept()
    broken = EventStream(LatestJobs(Broken()), engine.store)  # type: ignore[arg-type]
    reader = RecordingSubscriber(engine.hub, broken, job.job_id)
    engine.readers.append(reader)
    engine.loop.call(reader.start)
    assert reader.ends == [End.UNREADABLE]


class BrokenWire(RecordingWire):
    """One that cannot write what comes after the opening."""

    def news(self, job_id: str, events: Sequence[Event]) -> bytes:
        raise ValueError("a bug")


def test_a_crash_in_writing_the_news_ends_one_subscription_and_not_those_behind_it(engine: Engine):
    job = engine.accept()
    crashing = engine.subscriber(job, wire=BrokenWire())
    reader = engine.subscriber(job)
    with capture_logs() as logged:
        job = engine.commit(publish(job))
    engine.loop.turn(1)
    engine.commit(publish(job, 1))
    assert [line["event"] for line in logged] == ["a subscription crashed"]
    assert crashing.ends == [End.CRASHED]
    assert seqs(reader.events) == [2, 3]


def test_a_crash_in_catching_up_ends_it(engine: Engine):
    job = engine.accept()
    with capture_logs() as logged:
        reader = engine.subscriber(job, after="0", wire=BrokenWire())
    assert [line["event"] for line in logged] == ["a subscription crashed"]
    assert reader.ends == [End.CRASHED]


def test_who_has_stopped_is_told_nothing_more_and_no_end(engine: Engine):
    job = engine.accept()
    reader = engine.subscriber(job)
    engine.loop.call(reader.follower.stop)
    engine.commit(publish(job))
    engine.delete(job)
    assert (reader.events, reader.ends) == ([], [])
    reader.follower.stop()


def test_who_stops_while_its_opening_is_read_is_told_nothing(engine: Engine):
    job = engine.accept()
    engine.store.holds = True
    reader = engine.subscriber(job)
    engine.loop.call(reader.follower.stop)
    engine.loop.call(engine.store.let_all_go)
    assert reader.told == []


def test_who_loses_its_connection_while_the_log_is_read_is_told_nothing(engine: Engine):
    job = engine.accept()
    engine.store.holds = True
    reader = engine.subscriber(job)
    engine.loop.call(reader.transport.abort)
    engine.loop.call(engine.store.let_all_go)
    assert (reader.told, reader.ends) == ([], [])


def test_of_several_jobs_over_one_connection_each_gets_its_turn(engine: Engine):
    jobs = [engine.accept() for _ in range(3)]
    transport = RecordingTransport()
    first = engine.subscriber(jobs[0], after="0", transport=transport)
    wire = first.wire
    for job in jobs[1:]:
        engine.subscriber(job, after="0", transport=transport, wire=wire)
    assert len(first.told) == 6

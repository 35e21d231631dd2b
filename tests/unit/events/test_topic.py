"""When news are written, and what is kept at hand."""

from attrs import define, field

from gateway.domain.events import Event, EventType
from gateway.domain.job import Job
from gateway.events.telling import JOIN_S
from gateway.events.topic import PIECE_EVENTS, Flush, Topic
from tests.builders import a_job, complete, publish
from tests.hand_loop import HandLoop, hand_loop

JOB = a_job(PIECE_EVENTS + 10)


def a_log(events: int, job: Job = JOB) -> list[Event]:
    """So many events after the first one."""
    log: list[Event] = []
    for index in range(events):
        change = publish(job, index)
        job = change.job
        log += change.events
    return log


@define(eq=False)
class Taker:
    """One who takes all."""

    flushes: list[Flush] = field(factory=list)
    was_deleted: bool = False

    def take(self, flush: Flush) -> None:
        self.flushes.append(flush)

    def job_deleted(self) -> None:
        self.was_deleted = True

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The events between which each flush lies."""
        return [(flush.before, flush.last.seq) for flush in self.flushes]


def a_topic(taker: Taker) -> Topic:
    topic = Topic(JOB.job_id)
    topic.subscribers.add(taker)
    topic.join(taker)
    return topic


def announce(loop: HandLoop, topic: Topic, *events: Event) -> None:
    loop.call(topic.announce, events)


def test_an_event_that_comes_alone_is_told_at_once():
    taker, (event,) = Taker(), a_log(1)
    with hand_loop() as loop:
        announce(loop, a_topic(taker), event)
        assert taker.spans == [(event.seq - 1, event.seq)]


def test_those_that_come_soon_after_it_are_told_together():
    taker, (first, second, third) = Taker(), a_log(3)
    with hand_loop() as loop:
        topic = a_topic(taker)
        announce(loop, topic, first)
        announce(loop, topic, second)
        announce(loop, topic, third)
        assert len(taker.flushes) == 1
        loop.turn(JOIN_S)
        assert taker.spans == [(first.seq - 1, first.seq), (first.seq, third.seq)]


def test_one_that_comes_later_is_told_at_once_again():
    taker, (first, second) = Taker(), a_log(2)
    with hand_loop() as loop:
        topic = a_topic(taker)
        announce(loop, topic, first)
        loop.turn(2 * JOIN_S)
        announce(loop, topic, second)
        assert len(taker.flushes) == 2


def test_a_burst_is_told_in_pieces_that_follow_one_another():
    taker, log = Taker(), a_log(PIECE_EVENTS + 10)
    with hand_loop() as loop:
        announce(loop, a_topic(taker), *log)
        middle = log[PIECE_EVENTS - 1].seq
        assert taker.spans == [(log[0].seq - 1, middle), (middle, log[-1].seq)]


def test_what_is_told_together_is_merged():
    taker, log = Taker(), a_log(5)
    with hand_loop() as loop:
        announce(loop, a_topic(taker), *log)
        (flush,) = taker.flushes
        assert list(flush.events) == log[-1:]


def test_what_was_announced_already_pushes_nothing_out_of_what_is_at_hand():
    first, second, third = a_log(3)
    with hand_loop() as loop:
        topic = a_topic(Taker())
        announce(loop, topic, first, second)
        announce(loop, topic, second, third)
        announce(loop, topic, second)
        assert topic.newest == third.seq
        assert topic.recent(after=first.seq - 1) == [first, second, third]


def test_what_was_announced_already_is_not_told_again():
    taker, (first, second) = Taker(), a_log(2)
    with hand_loop() as loop:
        topic = a_topic(taker)
        announce(loop, topic, first, second)
        announce(loop, topic, first)
        announce(loop, topic, second)
        loop.turn(1)
        assert taker.spans == [(first.seq - 1, second.seq)]


def test_after_a_gap_the_telling_begins_where_it_ends():
    """Who stood before it goes on from the log."""
    taker, (first, _, third) = Taker(), a_log(3)
    with hand_loop() as loop:
        topic = a_topic(taker)
        announce(loop, topic, first)
        announce(loop, topic, third)
        loop.turn(1)
        assert taker.spans == [(first.seq - 1, first.seq), (third.seq - 1, third.seq)]


def test_what_comes_too_late_is_left_to_the_log():
    taker, (first, second, third) = Taker(), a_log(3)
    with hand_loop() as loop:
        topic = a_topic(taker)
        announce(loop, topic, first, third)
        announce(loop, topic, second)
        loop.turn(1)
        assert taker.flushes[-1].last == third
        assert topic.told == third.seq


def test_many_are_told_in_slices_between_which_the_loop_turns():
    log = a_log(1)
    takers = [Taker() for _ in range(1000)]
    with hand_loop() as loop:
        topic = a_topic(takers[0])
        for taker in takers:
            topic.join(taker)
        loop.call_soon(topic.announce, log)
        told = []
        for _ in range(6):
            loop.settle(1)
            told.append(sum(len(taker.flushes) for taker in takers))
        assert told == [0, 250, 500, 750, 1000, 1000]


def test_bytes_are_written_once_for_each_kind_of_door():
    class Wire:
        written = 0

        def news(self, _job_id: str, events: object) -> bytes:
            self.written += 1
            return b"news"

    wire, (event,) = Wire(), a_log(1)
    flush = Flush(JOB.job_id, [event], event.seq - 1, event)
    for _ in range(3):
        assert flush.on(wire) == b"news"  # type: ignore[arg-type]  # nothing else is asked of it
    assert wire.written == 1


def test_the_newest_events_are_at_hand_from_any_that_is_kept():
    log = a_log(10)
    topic = Topic(JOB.job_id)
    with hand_loop() as loop:
        announce(loop, topic, *log)
        assert topic.recent(after=log[3].seq) == log[4:]
        assert topic.recent(after=log[3].seq, limit=2) == log[4:6]
        assert topic.recent(after=log[-1].seq) == []
        topic.close()


def test_what_is_at_hand_never_hides_a_gap():
    log = a_log(10)
    topic = Topic(JOB.job_id)
    with hand_loop() as loop:
        announce(loop, topic, *log[2:])
        assert topic.recent(after=log[0].seq) == []
        topic.close()


def test_after_a_gap_only_the_newer_part_is_at_hand():
    log = a_log(10)
    topic = Topic(JOB.job_id)
    with hand_loop() as loop:
        announce(loop, topic, *log[:3])
        announce(loop, topic, *log[5:])
        assert topic.recent(after=log[0].seq) == []
        assert topic.recent(after=log[4].seq) == log[5:]
        topic.close()


def test_no_more_is_at_hand_than_its_share():
    log = a_log(10)
    topic = Topic(JOB.job_id)
    with hand_loop() as loop:
        topic.keep_recent(4)
        announce(loop, topic, *log)
        assert topic.recent(after=log[-5].seq) == log[-4:]
        assert topic.recent(after=log[-6].seq) == []
        topic.close()


def test_a_burst_beyond_its_share_is_told_from_where_it_is_at_hand():
    taker, log = Taker(), a_log(10)
    with hand_loop() as loop:
        topic = a_topic(taker)
        topic.keep_recent(4)
        announce(loop, topic, *log)
        assert taker.spans == [(log[5].seq, log[9].seq)]


def test_who_has_left_is_not_told():
    taker, other, log = Taker(), Taker(), a_log(1)
    with hand_loop() as loop:
        topic = a_topic(taker)
        topic.join(other)
        topic.leave(taker)
        announce(loop, topic, *log)
        assert (taker.flushes, len(other.flushes)) == ([], 1)


def test_nothing_is_told_by_a_topic_that_was_closed():
    taker, (first, second) = Taker(), a_log(2)
    with hand_loop() as loop:
        topic = a_topic(taker)
        announce(loop, topic, first)
        announce(loop, topic, second)
        loop.call(topic.close)
        loop.turn(1)
        assert len(taker.flushes) == 1


def test_a_deletion_is_told_to_all_also_to_those_who_are_behind():
    live, behind = Taker(), Taker()
    topic = a_topic(live)
    topic.subscribers.add(behind)
    topic.end()
    assert live.was_deleted
    assert behind.was_deleted


def test_the_end_of_the_job_is_told_with_what_came_before_it():
    taker = Taker()
    job = a_job(1, published=1)
    change = complete(job)
    with hand_loop() as loop:
        announce(loop, a_topic(taker), *change.events)
        (flush,) = taker.flushes
        assert [event.type for event in flush.events] == [EventType.IMAGE_COMPLETE, EventType.JOB_COMPLETE]

"""How a subscription begins; what comes after a position."""

import pytest

from gateway.domain.events import EventType
from gateway.domain.job import Job
from gateway.errors import Unavailable
from gateway.events.latest import LatestJobs
from gateway.events.stream import EventStream
from gateway.events.topic import PIECE_EVENTS, Topic
from gateway.ports.job_store import JobNotFound
from tests.builders import an_accepted_job, complete, publish
from tests.hand_loop import hand_loop
from tests.unit.events.honest_store import HonestStore

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"


def a_store(images: int = 2, completed: int = 0) -> tuple[HonestStore, Job]:
    """The log of its job: one event, then two for each image that is completed, then the end."""
    store = HonestStore()
    change = an_accepted_job(images)
    store.commit(change)
    for index in range(completed):
        change = publish(change.job, index)
        store.commit(change)
        change = complete(change.job, index)
        store.commit(change)
    return store, change.job


def stream_of(store: HonestStore) -> EventStream:
    return EventStream(LatestJobs(store), store)  # type: ignore[arg-type]  # nothing but `get` is asked of it


async def test_without_a_position_it_begins_with_the_present_state():
    store, job = a_store(2, completed=1)
    opening = await stream_of(store).opening(job.job_id, None)
    assert (opening.resumed, opening.seq, opening.known, opening.event.seq) == (False, 3, 3, 3)
    assert opening.event.counts == job.counts


@pytest.mark.parametrize(
    "after", ["", "x", "e1:", "e1:x", "e1:-1", "e1:4", "e1:01", "e2:1", "E1:1", " e1:1", "00"]
)
async def test_a_position_that_cannot_be_gone_on_from_is_as_none(after: str):
    store, job = a_store(2, completed=1)
    opening = await stream_of(store).opening(job.job_id, after)
    assert (opening.resumed, opening.event.seq) == (False, 3)


@pytest.mark.parametrize(("after", "seq"), [("0", 0), ("e1:0", 0), ("e1:1", 1), ("e1:2", 2), ("e1:3", 3)])
async def test_a_position_of_the_job_is_where_it_begins(after: str, seq: int):
    store, job = a_store(2, completed=1)
    opening = await stream_of(store).opening(job.job_id, after)
    assert (opening.resumed, opening.seq, opening.event.seq, opening.known) == (True, seq, seq, 3)


@pytest.mark.parametrize(("after", "completed"), [("0", 0), ("e1:1", 0), ("e1:2", 0), ("e1:3", 1)])
async def test_its_state_is_that_of_then(after: str, completed: int):
    store, job = a_store(2, completed=2)
    event = (await stream_of(store).opening(job.job_id, after)).event
    assert (event.type, event.counts.completed, event.image) == (EventType.PROGRESS, completed, None)


async def test_an_ended_job_whose_last_position_is_named_has_its_end_to_come():
    store, job = a_store(1, completed=1)
    opening = await stream_of(store).opening(job.job_id, f"e1:{job.seq}")
    assert (opening.resumed, opening.seq, opening.known) == (False, job.seq - 1, job.seq)
    assert opening.event.counts == job.counts


async def test_an_ended_job_of_which_more_is_to_come_is_gone_on_from():
    store, job = a_store(1, completed=1)
    opening = await stream_of(store).opening(job.job_id, f"e1:{job.seq - 1}")
    assert (opening.resumed, opening.seq) == (True, job.seq - 1)


async def test_images_are_shown_to_who_asks_and_begins_with_the_present_state():
    store, job = a_store(2)
    stream = stream_of(store)
    assert (await stream.opening(job.job_id, None, with_images=True)).job is job
    assert (await stream.opening(job.job_id, None)).job is None
    assert (await stream.opening(job.job_id, "0", with_images=True)).job is None


async def test_a_job_that_is_not_there_is_told():
    store, _ = a_store()
    with pytest.raises(JobNotFound):
        await stream_of(store).opening(UNKNOWN, "0")


async def test_a_piece_of_the_log_has_at_most_so_many_events():
    store, job = a_store(100, completed=100)
    events = await stream_of(store).events(Topic(job.job_id), after=0, up_to=job.seq)
    assert [event.seq for event in events] == list(range(1, PIECE_EVENTS + 1))


async def test_nothing_is_read_beyond_what_the_rest_of_us_knows_of():
    store, job = a_store(2, completed=2)
    events = await stream_of(store).events(Topic(job.job_id), after=1, up_to=3)
    assert [event.seq for event in events] == [2, 3]


async def test_a_log_that_has_lost_its_end_is_told_and_not_waited_for():
    store, job = a_store(2, completed=1)
    del store.logs[job.job_id][1:]
    stream = stream_of(store)
    with pytest.raises(Unavailable):
        await stream.events(Topic(job.job_id), after=1, up_to=job.seq)
    with pytest.raises(Unavailable):
        [piece async for piece in stream.pieces(job.job_id, after=0, up_to=job.seq)]
    with pytest.raises(Unavailable):
        await stream.opening(job.job_id, "e1:2")


async def test_who_stopped_at_an_event_that_is_lost_begins_with_the_present_state():
    store, job = a_store(2, completed=1)
    del store.logs[job.job_id][1]
    opening = await stream_of(store).opening(job.job_id, "e1:2")
    assert (opening.resumed, opening.seq, opening.event.seq) == (False, 3, 3)


def test_what_is_at_hand_is_not_read_from_the_log():
    store, job = a_store(2, completed=2)
    topic = Topic(job.job_id)
    with hand_loop() as loop:
        loop.call(topic.announce, store.logs[job.job_id])
        reading = loop.create_task(stream_of(store).events(topic, after=1, up_to=job.seq))
        loop.settle()
        assert list(reading.result()) == store.logs[job.job_id][1:]
        topic.close()
    assert store.reads_of_logs == 0

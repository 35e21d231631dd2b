"""What a subscriber gets, on a real log."""

import pytest

from gateway.domain.events import Event, EventType
from gateway.domain.transitions import attempt_completed, published
from gateway.events.follower import End
from gateway.events.wire import Opening
from gateway.ports.job_store import JobNotFound
from tests.builders import attempt_of, some_metadata
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg
from tests.recording_subscriber import RecordingSubscriber, subscribed

PROGRESS, IMAGE, END = EventType.PROGRESS, EventType.IMAGE_COMPLETE, EventType.JOB_COMPLETE
UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"


async def a_job(parts: Parts, images: int = 2) -> str:
    return (await parts.submitted(*(sent(a_jpeg()) for _ in range(images)))).job_id


async def start(parts: Parts, job_id: str, index: int) -> None:
    now = parts.clock.now()
    await parts.ledger.change(job_id, lambda job: published(job, [attempt_of(job, index)], now))


async def complete(parts: Parts, job_id: str, index: int) -> None:
    now = parts.clock.now()
    await parts.ledger.change(
        job_id, lambda job: attempt_completed(job, attempt_of(job, index), "x/y.jpg", some_metadata(), now)
    )


async def to_the_end(parts: Parts, job_id: str, after: str | None = None) -> tuple[Opening, list[Event]]:
    async with subscribed(parts.hub, parts.stream, job_id, after) as reader:
        events = await reader.until_ended()
        assert reader.ends == [End.COMPLETE]
        return reader.opening, events


async def opening(parts: Parts, job_id: str, after: str | None = None) -> Opening:
    return await parts.stream.opening(job_id, after)


async def position_now(parts: Parts, job_id: str) -> str:
    return str(parts.stream.position((await opening(parts, job_id)).event))


def kinds(events: list[Event]) -> list[EventType]:
    return [event.type for event in events]


def indexes(events: list[Event]) -> list[int]:
    return [event.image.index for event in events if event.image]


async def test_the_present_state_comes_first_and_then_each_final_state(parts: Parts):
    job_id = await a_job(parts)
    await complete(parts, job_id, 0)
    async with subscribed(parts.hub, parts.stream, job_id) as reader:
        first = await reader.until_opened()
        assert (first.event.type, first.event.counts.completed, first.event.seq) == (PROGRESS, 1, 2)
        assert not first.resumed
        await complete(parts, job_id, 1)
        assert kinds(await reader.until_ended()) == [IMAGE, END]


async def test_an_ended_job_gives_its_state_and_its_end(parts: Parts):
    job_id = await a_job(parts, 1)
    await complete(parts, job_id, 0)
    first, events = await to_the_end(parts, job_id)
    assert (first.event.type, first.event.counts.completed) == (PROGRESS, 1)
    assert kinds(events) == [END]


async def test_after_an_id_the_log_goes_on_there(parts: Parts):
    job_id = await a_job(parts)
    await complete(parts, job_id, 0)
    seen = await position_now(parts, job_id)
    await complete(parts, job_id, 1)
    first, rest = await to_the_end(parts, job_id, seen)
    assert first.resumed
    assert [(event.type, event.image and event.image.index) for event in rest] == [(IMAGE, 1), (END, None)]


async def test_it_begins_with_the_state_of_then_so_that_nothing_goes_backwards(parts: Parts):
    job_id = await a_job(parts)
    await complete(parts, job_id, 0)
    seen = await position_now(parts, job_id)
    await complete(parts, job_id, 1)
    first = await opening(parts, job_id, seen)
    assert (str(parts.stream.position(first.event)), first.event.counts.completed) == (seen, 1)
    assert (first.event.type, first.event.image) == (PROGRESS, None)


async def test_after_nought_the_whole_log_comes(parts: Parts):
    job_id = await a_job(parts)
    await complete(parts, job_id, 1)
    await complete(parts, job_id, 0)
    first, events = await to_the_end(parts, job_id, "0")
    assert (first.resumed, first.event.seq, first.event.counts.completed) == (True, 0, 0)
    assert indexes(events) == [1, 0]
    assert events[-1].type is END


async def test_an_id_from_before_a_restart_still_holds(tmp_path):
    async with parts_in(tmp_path) as parts:
        job_id = await a_job(parts)
        seen = await position_now(parts, job_id)
        await complete(parts, job_id, 0)
    async with parts_in(tmp_path) as parts:
        await complete(parts, job_id, 1)
        first, events = await to_the_end(parts, job_id, seen)
        assert first.resumed
        assert kinds(events) == [IMAGE, IMAGE, END]


@pytest.mark.parametrize("after", ["", "nonsense", "otherepoch:1", "-1", "0:0:0", "{epoch}:999", "{epoch}:x"])
async def test_an_id_that_is_unknown_or_malformed_gets_the_present_state(parts: Parts, after):
    job_id = await a_job(parts)
    await complete(parts, job_id, 0)
    first = await opening(parts, job_id, after.replace("{epoch}", parts.jobs.epoch))
    assert (first.event.type, first.resumed, first.event.counts.completed) == (PROGRESS, False, 1)


async def test_all_images_come_with_the_present_state_for_who_asks_for_them(parts: Parts):
    job_id = await a_job(parts)
    asked = await parts.stream.opening(job_id, None, with_images=True)
    assert asked.job is not None
    assert len(asked.job.images) == 2
    assert (await parts.stream.opening(job_id, None)).job is None


async def test_no_images_come_with_an_opening_that_goes_on(parts: Parts):
    job_id = await a_job(parts)
    assert (await parts.stream.opening(job_id, "0", with_images=True)).job is None


async def test_the_last_id_of_an_ended_job_gets_its_state_and_never_silence(parts: Parts):
    job_id = await a_job(parts, 1)
    await complete(parts, job_id, 0)
    first, events = await to_the_end(parts, job_id, await position_now(parts, job_id))
    assert (first.resumed, first.event.counts.completed) == (False, 1)
    assert kinds(events) == [END]


async def test_the_newest_id_of_a_job_that_goes_on_is_gone_on_from(parts: Parts):
    job_id = await a_job(parts)
    seen = await position_now(parts, job_id)
    first = await opening(parts, job_id, seen)
    assert (first.resumed, str(parts.stream.position(first.event))) == (True, seen)


async def test_a_progress_that_was_superseded_is_left_out_for_who_fell_behind(parts: Parts):
    job_id = await a_job(parts)
    async with subscribed(parts.hub, parts.stream, job_id) as reader:
        await reader.until_opened()
        reader.transport.stop_reading()
        reader.peer.pause_writing()
        await start(parts, job_id, 0)
        await start(parts, job_id, 1)
        await complete(parts, job_id, 0)
        await complete(parts, job_id, 1)
        topic = parts.hub.topic(job_id)
        await reader.until(lambda: topic.told == topic.newest)
        reader.transport.go_on_reading()
        reader.peer.resume_writing()
        assert kinds(await reader.until_ended()) == [IMAGE, IMAGE, END]


async def test_an_unknown_job_is_told(parts: Parts):
    with pytest.raises(JobNotFound):
        await opening(parts, UNKNOWN)
    async with subscribed(parts.hub, parts.stream, UNKNOWN) as reader:
        await reader.until_ended()
        assert (reader.ends, reader.told) == ([End.DELETED], [])


async def test_a_subscriber_that_leaves_is_forgotten(parts: Parts):
    job_id = await a_job(parts)
    async with subscribed(parts.hub, parts.stream, job_id) as reader:
        await reader.until_opened()
        assert parts.hub.topics == 1
    assert parts.hub.topics == 0


async def test_a_job_that_is_deleted_ends_those_who_follow_it(parts: Parts):
    job_id = await a_job(parts)
    async with subscribed(parts.hub, parts.stream, job_id) as reader:
        await reader.until_opened()
        await parts.ledger.delete(job_id)
        assert reader.ends == [End.DELETED]
        assert parts.hub.topics == 0


async def test_no_event_comes_before_the_state_that_it_tells_of_can_be_read(parts: Parts):
    """A commit can be read from the log before it was announced."""
    job_id = await a_job(parts, 1)
    await parts.latest.get(job_id)
    async with subscribed(parts.hub, parts.stream, job_id, "0") as reader:
        now = parts.clock.now()
        change = await parts.jobs.update(
            job_id, lambda job: attempt_completed(job, attempt_of(job, 0), "x/y.jpg", some_metadata(), now)
        )
        assert change is not None
        await reader.until(lambda: is_live(reader))
        assert kinds(reader.events) == [PROGRESS]
        parts.hub.announce(change)
        assert kinds(await reader.until_ended()) == [PROGRESS, IMAGE, END]
        assert (await parts.latest.get(job_id)).counts.completed == 1


def is_live(reader: RecordingSubscriber) -> bool:
    """It has read all that there is for it."""
    return reader.follower.last_told() is not None and bool(reader.events)

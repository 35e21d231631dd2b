"""What a subscriber gets, on a real log."""

import asyncio

import pytest

from gateway.domain.events import Event, EventType
from gateway.domain.transitions import attempt_completed, published
from gateway.ports.job_store import JobNotFound
from tests.builders import attempt_of, some_metadata
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg

PROGRESS, IMAGE, END = EventType.PROGRESS, EventType.IMAGE_COMPLETE, EventType.JOB_COMPLETE


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


async def all_of(parts: Parts, job_id: str, after: str | None = None) -> list[Event]:
    async with asyncio.timeout(5):
        return [event async for event in parts.stream.follow(job_id, after)]


def kinds(events: list[Event]) -> list[EventType]:
    return [event.type for event in events]


async def test_the_present_state_comes_first_and_then_each_final_state(parts: Parts):
    job_id = await a_job(parts)
    await complete(parts, job_id, 0)
    events = parts.stream.follow(job_id)
    first = await anext(events)
    assert (first.type, first.counts.completed, first.seq) == (PROGRESS, 1, 2)
    await complete(parts, job_id, 1)
    assert kinds([event async for event in events]) == [IMAGE, END]


async def test_an_ended_job_gives_its_state_and_its_end(parts: Parts):
    job_id = await a_job(parts, 1)
    await complete(parts, job_id, 0)
    assert kinds(await all_of(parts, job_id)) == [PROGRESS, END]


async def test_after_an_id_the_log_goes_on_there(parts: Parts):
    job_id = await a_job(parts)
    await complete(parts, job_id, 0)
    seen = await anext(parts.stream.follow(job_id))
    await complete(parts, job_id, 1)
    rest = await all_of(parts, job_id, str(parts.stream.position(seen)))
    assert [(event.type, event.image and event.image.index) for event in rest] == [(IMAGE, 1), (END, None)]


async def test_after_nought_the_whole_log_comes(parts: Parts):
    job_id = await a_job(parts)
    await complete(parts, job_id, 1)
    await complete(parts, job_id, 0)
    events = await all_of(parts, job_id, "0")
    assert [event.image.index for event in events if event.image] == [1, 0]
    assert events[-1].type is END


async def test_an_id_from_before_a_restart_still_holds(tmp_path):
    async with parts_in(tmp_path) as parts:
        job_id = await a_job(parts)
        seen = str(parts.stream.position(await anext(parts.stream.follow(job_id))))
        await complete(parts, job_id, 0)
    async with parts_in(tmp_path) as parts:
        await complete(parts, job_id, 1)
        assert kinds(await all_of(parts, job_id, seen)) == [IMAGE, IMAGE, END]


@pytest.mark.parametrize("after", ["", "nonsense", "otherepoch:1", "-1", "0:0:0", "{epoch}:999", "{epoch}:x"])
async def test_an_id_that_is_unknown_or_malformed_gets_the_present_state(parts: Parts, after):
    job_id = await a_job(parts)
    first = await anext(parts.stream.follow(job_id, after.replace("{epoch}", parts.jobs.epoch)))
    assert first.type is PROGRESS


async def test_the_last_id_of_an_ended_job_gets_its_state_and_never_silence(parts: Parts):
    job_id = await a_job(parts, 1)
    await complete(parts, job_id, 0)
    last = (await all_of(parts, job_id))[-1]
    assert kinds(await all_of(parts, job_id, str(parts.stream.position(last)))) == [PROGRESS, END]


async def test_a_progress_that_was_superseded_is_left_out_for_who_fell_behind(parts: Parts):
    job_id = await a_job(parts)
    events = parts.stream.follow(job_id)
    await anext(events)
    await start(parts, job_id, 0)
    await start(parts, job_id, 1)
    await complete(parts, job_id, 0)
    await complete(parts, job_id, 1)
    assert kinds([event async for event in events]) == [IMAGE, IMAGE, END]


async def test_an_unknown_job_is_told(parts: Parts):
    with pytest.raises(JobNotFound):
        await anext(parts.stream.follow("550e8400-e29b-41d4-a716-446655440000"))


async def test_a_subscriber_that_leaves_is_forgotten(parts: Parts):
    job_id = await a_job(parts)
    events = parts.stream.follow(job_id)
    await anext(events)
    assert parts.hub.topics == 1
    await events.aclose()
    assert parts.hub.topics == 0


async def test_no_event_comes_before_the_state_that_it_tells_of_can_be_read(parts: Parts):
    """A commit can be read from the log before it was announced."""
    job_id = await a_job(parts, 1)
    events = parts.stream.follow(job_id, "0")
    assert (await anext(events)).type is PROGRESS
    now = parts.clock.now()
    change = await parts.jobs.update(
        job_id, lambda job: attempt_completed(job, attempt_of(job, 0), "x/y.jpg", some_metadata(), now)
    )
    assert change is not None
    following = asyncio.ensure_future(anext(events))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(following), 0.1)
    parts.hub.announce(change)
    assert (await asyncio.wait_for(following, 1)).type is IMAGE
    assert (await parts.latest.get(job_id)).counts.completed == 1

"""The suite of the ports JobStore and EventLog."""

import asyncio
from functools import partial

import pytest
from attrs import evolve

from gateway.domain.events import Change, EventType, StreamPosition
from gateway.domain.job import Job, Status
from gateway.domain.options import BatchOptions
from gateway.metadata import FieldPolicy, MetadataPolicy
from gateway.ports.job_store import BadCursor, JobNotFound, JobSummary
from tests.builders import (
    NOW,
    a_refused_image,
    a_url_image,
    an_accepted_job,
    an_image,
    complete,
    publish,
)
from tests.ports.job_stores import LATER, MANY, SECOND, Store, add, stop

# Jobs


async def test_a_job_is_read_back_as_it_was_added(store: Store):
    members = [
        an_image(0),
        a_url_image(1),
        a_refused_image(2),
        an_image(3, original_filename="Übermut\u0000.jpg"),
    ]
    job = await add(store, an_accepted_job(members, now=NOW.replace(microsecond=123_457)))
    assert await store.get(job.job_id) == job


async def test_what_was_asked_for_with_a_batch_is_read_back(store: Store):
    policy = MetadataPolicy(title=FieldPolicy.KEEP, keywords=FieldPolicy.APPEND)
    for options in (BatchOptions(), BatchOptions(policy), BatchOptions(MetadataPolicy())):
        accepted = an_accepted_job(images=1)
        asked = evolve(accepted, job=evolve(accepted.job, options=options))
        job = await add(store, asked)
        await store.update(job.job_id, publish)
        assert (await store.get(job.job_id)).options == options


async def test_a_job_is_read_back_as_it_was_updated(store: Store):
    job = await add(store, an_accepted_job(images=2))
    await store.update(job.job_id, publish)
    change = await store.update(job.job_id, complete)
    assert change is not None
    assert await store.get(job.job_id) == change.job


async def test_an_update_gets_the_job_as_committed(store: Store):
    job = await add(store, an_accepted_job(images=1))
    seen: list[Job] = []

    def look(job: Job) -> None:
        seen.append(job)

    await store.update(job.job_id, look)
    assert seen == [job]


async def test_an_update_that_decides_nothing_changes_nothing(store: Store):
    job = await add(store, an_accepted_job())
    assert await store.update(job.job_id, lambda job: None) is None
    assert await store.get(job.job_id) == job


async def test_decisions_on_one_job_follow_one_another(store: Store):
    job = await add(store, an_accepted_job(images=30))
    await asyncio.gather(*(store.update(job.job_id, partial(publish, index=i)) for i in range(30)))
    await asyncio.gather(*(store.update(job.job_id, partial(complete, index=i)) for i in range(30)))
    ended = await store.get(job.job_id)
    assert (ended.counts.completed, ended.status) == (30, Status.COMPLETED)


async def test_what_decide_raises_reaches_the_caller_and_changes_nothing(store: Store):
    job = await add(store, an_accepted_job())

    def fail(job: Job) -> Change:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.update(job.job_id, fail)
    assert await store.get(job.job_id) == job


async def test_updates_beside_one_that_raises_are_committed(store: Store):
    job = await add(store, an_accepted_job(images=2))

    def fail(job: Job) -> Change:
        raise ZeroDivisionError

    first, second, third = await asyncio.gather(
        store.update(job.job_id, partial(publish, index=0)),
        store.update(job.job_id, fail),
        store.update(job.job_id, partial(publish, index=1)),
        return_exceptions=True,
    )
    assert isinstance(second, ZeroDivisionError)
    assert isinstance(first, Change)
    assert isinstance(third, Change)
    assert await store.get(job.job_id) == third.job


@pytest.mark.parametrize("name", ["", "nobody", "../jobs", "550e8400-e29b-41d4-a716-446655440000"])
async def test_an_unknown_job_is_not_found(store: Store, name: str):
    with pytest.raises(JobNotFound):
        await store.get(name)
    with pytest.raises(JobNotFound):
        await store.update(name, lambda job: None)
    with pytest.raises(JobNotFound):
        await store.events(name, after=0, limit=10)


async def test_a_deleted_job_is_gone_with_its_log(store: Store):
    kept = await add(store, an_accepted_job())
    job = await add(store, an_accepted_job())
    await store.get(job.job_id)
    await store.delete(job.job_id)
    with pytest.raises(JobNotFound):
        await store.get(job.job_id)
    with pytest.raises(JobNotFound):
        await store.events(job.job_id, after=0, limit=10)
    assert await store.to_publish(NOW, limit=10, max_running=MANY) == {kept.job_id: [0, 1, 2]}
    assert (await store.page(limit=10)).total == 1


async def test_deleting_a_job_that_is_not_there_is_fine(store: Store):
    await store.delete("nobody")


async def test_an_update_beside_its_jobs_deletion_finds_it_or_not(store: Store):
    job = await add(store, an_accepted_job())
    _, late = await asyncio.gather(
        store.delete(job.job_id), store.update(job.job_id, publish), return_exceptions=True
    )
    assert isinstance(late, JobNotFound | Change)
    with pytest.raises(JobNotFound):
        await store.get(job.job_id)


async def test_the_check_says_in_a_line_that_it_works(store: Store):
    line = await store.check()
    assert line
    assert "\n" not in line


# Reading what was written


async def test_every_write_that_returned_is_read(store: Store):
    """While other jobs change all the time, so that no cache has its quiet moment."""
    others = [await add(store, an_accepted_job(images=1)) for _ in range(20)]

    async def change_and_read(number: int) -> None:
        job = await add(store, an_accepted_job(images=3))
        for index in range(3):
            reading = asyncio.ensure_future(store.get(job.job_id))
            change = await store.update(job.job_id, partial(publish, index=index))
            assert change is not None
            assert await store.get(job.job_id) == change.job
            await reading
            assert await store.get(job.job_id) == change.job
        await store.update(others[number].job_id, publish)

    await asyncio.gather(*(change_and_read(number) for number in range(20)))


async def test_cancelling_one_who_waits_disturbs_nobody(store: Store):
    job = await add(store, an_accepted_job(images=20))
    updates = [
        asyncio.ensure_future(store.update(job.job_id, partial(publish, index=index))) for index in range(20)
    ]
    await asyncio.sleep(0)
    for update in updates[::3]:
        update.cancel()
    outcomes = await asyncio.gather(*updates, return_exceptions=True)
    made = {index for index, outcome in enumerate(outcomes) if isinstance(outcome, Change)}
    stored = await store.get(job.job_id)
    assert made >= set(range(20)) - set(range(0, 20, 3))
    assert all(stored.images[index].published_at for index in made)


# Lists


async def test_a_page_lists_the_newest_jobs_first(store: Store):
    jobs = [await add(store, an_accepted_job(now=NOW + n * SECOND)) for n in range(3)]
    page = await store.page(limit=10)
    assert [job.job_id for job in page.jobs] == [job.job_id for job in reversed(jobs)]
    assert (page.total, page.next_cursor) == (3, None)


async def test_a_listed_job_tells_its_state_and_counts(store: Store):
    job = await add(store, an_accepted_job(images=2))
    await store.update(job.job_id, publish)
    await store.update(job.job_id, complete)
    change = await store.update(job.job_id, stop)
    assert change is not None
    (listed,) = (await store.page(limit=10)).jobs
    assert listed == JobSummary.of(change.job)
    assert (listed.job_id, listed.status, listed.counts) == (job.job_id, Status.CANCELLED, change.job.counts)
    assert (listed.created_at, listed.updated_at, listed.completed_at) == (NOW, NOW, NOW)


async def test_pages_together_list_every_job_once_while_others_are_added(store: Store):
    """Half of the jobs were accepted in the same microsecond."""
    jobs = [await add(store, an_accepted_job(images=1, now=NOW + n // 2 * SECOND)) for n in range(11)]
    seen: list[str] = []
    page = await store.page(limit=2)
    seen += [job.job_id for job in page.jobs]
    while page.next_cursor is not None:
        await add(store, an_accepted_job(images=1, now=LATER))
        page = await store.page(limit=2, cursor=page.next_cursor)
        seen += [job.job_id for job in page.jobs]
    assert len(seen) == 11
    assert set(seen) == {job.job_id for job in jobs}


async def test_the_last_page_has_no_cursor_even_when_it_is_full(store: Store):
    for _ in range(4):
        await add(store, an_accepted_job(images=1))
    first = await store.page(limit=2)
    second = await store.page(limit=2, cursor=first.next_cursor)
    assert (len(second.jobs), second.next_cursor) == (2, None)


async def test_a_list_by_status_holds_those_jobs_alone_and_counts_them(store: Store):
    for _ in range(3):
        await add(store, an_accepted_job(images=1))
    working = await add(store, an_accepted_job(images=1))
    await store.update(working.job_id, publish)
    page = await store.page(limit=2, status=Status.PENDING)
    assert (len(page.jobs), page.total) == (2, 3)
    page = await store.page(limit=2, cursor=page.next_cursor, status=Status.PENDING)
    assert (len(page.jobs), page.total, page.next_cursor) == (1, 3, None)
    page = await store.page(limit=2, status=Status.PROCESSING)
    assert [job.job_id for job in page.jobs] == [working.job_id]
    assert (await store.page(limit=2, status=Status.FAILED)).total == 0


@pytest.mark.parametrize(
    "cursor", ["", "x", "AAAA", "W10", "WzEsMl0", "WyJhIiwiYiJd", "é", "=" * 9, "1e9", "W251bGwsImEiXQ"]
)
async def test_a_foreign_cursor_is_refused(store: Store, cursor: str):
    with pytest.raises(BadCursor):
        await store.page(limit=2, cursor=cursor)


# The log


async def test_the_log_holds_each_event_once_in_order_and_without_gaps(store: Store):
    accepted = an_accepted_job(images=2)
    job = await add(store, accepted)
    told = list(accepted.events)
    for decide in (publish, complete, stop):
        change = await store.update(job.job_id, decide)
        assert change is not None
        told += change.events
    log = await store.events(job.job_id, after=0, limit=100)
    assert list(log) == told
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    assert log[-1].type is EventType.JOB_COMPLETE


async def test_the_log_goes_on_after_a_position_and_up_to_a_limit(store: Store):
    job = await add(store, an_accepted_job(images=5))
    await store.update(job.job_id, stop)
    log = await store.events(job.job_id, after=0, limit=100)
    assert await store.events(job.job_id, after=2, limit=3) == log[2:5]
    assert await store.events(job.job_id, after=len(log), limit=3) == ()
    assert await store.events(job.job_id, after=10**15, limit=3) == ()


async def test_the_epoch_fits_into_a_position(store: Store):
    position = StreamPosition(store.epoch, 7)
    assert StreamPosition.parse(str(position)) == position

"""The suite of the job store's ports: every adapter must pass it, and it never asks which one it has."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Protocol

import pytest

from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.domain.events import Change, EventType, StreamPosition
from gateway.domain.job import Job, Stage, Status
from gateway.domain.transitions import (
    AttemptPolicy,
    attempt_lost,
    attempt_rejected,
    begin_fetch,
    cancel,
    fetch_later,
)
from gateway.errors import Conflict
from gateway.ports.job_store import Backlog, BadCursor, EventLog, JobNotFound, JobStore, Reservations
from tests.builders import (
    NOW,
    a_failure,
    a_refused_image,
    a_url_image,
    an_accepted_job,
    an_image,
    attempt_of,
    complete,
    publish,
)

SECOND = timedelta(seconds=1)
LATER = NOW + timedelta(hours=1)
MANY = 1000


class Store(JobStore, EventLog, Backlog, Reservations, Protocol):
    """All four ports in one object."""


@pytest.fixture(params=["sqlite"])
async def store(request, tmp_path) -> AsyncIterator[Store]:
    async with SqliteJobStore.open(tmp_path / "jobs.sqlite") as store:
        yield store


async def add(store: Store, accepted: Change) -> Job:
    """Add the job the way a submit does, and give it back."""
    trace_ids = [image.trace_id for image in accepted.job.images]
    await store.reserve(trace_ids, deadline=LATER)
    await store.add(accepted, reserved=trace_ids)
    return accepted.job


def stop(job: Job) -> Change | None:
    return cancel(job, NOW)


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


# What is left to do


async def test_images_wait_to_be_published_by_job_the_oldest_first(store: Store):
    first = await add(store, an_accepted_job([an_image(0), a_url_image(1), an_image(2)], now=NOW))
    second = await add(store, an_accepted_job(images=2, now=NOW + SECOND))
    waiting = await store.to_publish(LATER, limit=10, max_running=MANY)
    assert [(job, list(indices)) for job, indices in waiting.items()] == [
        (first.job_id, [0, 2]),
        (second.job_id, [0, 1]),
    ]


async def test_images_wait_to_be_fetched_likewise(store: Store):
    first = await add(store, an_accepted_job([an_image(0), a_url_image(1), a_url_image(2)], now=NOW))
    second = await add(store, an_accepted_job([a_url_image(0)], now=NOW + SECOND))
    await store.update(first.job_id, lambda job: begin_fetch(job, 1, NOW))
    waiting = await store.to_fetch(LATER, limit=10, max_running=MANY)
    assert [(job, list(indices)) for job, indices in waiting.items()] == [
        (first.job_id, [1, 2]),
        (second.job_id, [0]),
    ]


async def test_a_backlog_is_cut_to_so_many_jobs_with_so_many_images_each(store: Store):
    jobs = [await add(store, an_accepted_job(images=5, now=NOW + n * SECOND)) for n in range(5)]
    waiting = await store.to_publish(LATER, limit=2, max_running=MANY)
    assert {job: list(indices) for job, indices in waiting.items()} == {
        jobs[0].job_id: [0, 1],
        jobs[1].job_id: [0, 1],
    }
    assert await store.to_publish(LATER, limit=0, max_running=MANY) == {}


async def test_an_image_waits_until_its_time_has_come(store: Store):
    job = await add(store, an_accepted_job([a_url_image(0), a_url_image(1)]))
    await store.update(job.job_id, lambda job: fetch_later(job, 0, NOW + SECOND))
    assert await store.to_fetch(NOW, limit=10, max_running=MANY) == {job.job_id: [1]}
    assert await store.to_fetch(NOW + SECOND, limit=10, max_running=MANY) == {job.job_id: [0, 1]}


async def test_an_image_in_the_broker_or_ended_is_not_left_to_do(store: Store):
    job = await add(store, an_accepted_job(images=2))
    await store.update(job.job_id, publish)
    assert await store.to_publish(NOW, limit=10, max_running=MANY) == {job.job_id: [1]}
    await store.update(job.job_id, stop)
    assert await store.to_publish(NOW, limit=10, max_running=MANY) == {}


async def test_images_in_the_broker_are_counted_until_they_end_or_are_rejected(store: Store):
    job = await add(store, an_accepted_job(images=3))
    for index in range(3):
        await store.update(job.job_id, partial(publish, index=index))
    assert await store.in_flight() == 3
    await store.update(job.job_id, complete)
    reject = lambda job: attempt_rejected(job, attempt_of(job, 1), a_failure(), AttemptPolicy(), NOW)  # noqa: E731
    await store.update(job.job_id, reject)
    assert await store.in_flight() == 1


async def test_images_that_have_not_ended_are_counted_by_what_they_wait_for(store: Store):
    assert set((await store.open_images()).values()) == {0}
    job = await add(store, an_accepted_job([an_image(0), an_image(1), an_image(2), a_url_image(3)]))
    await store.update(job.job_id, partial(publish, index=1))
    await store.update(job.job_id, complete)
    assert await store.open_images() == {Stage.FETCH: 1, Stage.PUBLISH: 1, Stage.RESULT: 1}


async def test_forgotten_publishes_are_left_to_do_again(store: Store):
    job = await add(store, an_accepted_job(images=3))
    for index in (0, 1):
        await store.update(job.job_id, partial(publish, index=index))
    await store.update(job.job_id, complete)
    assert await store.forget_publishes() == 1
    assert await store.in_flight() == 0
    assert await store.to_publish(NOW, limit=10, max_running=MANY) == {job.job_id: [1, 2]}
    stored = await store.get(job.job_id)
    assert [image.published_at is None for image in stored.images] == [False, True, True]
    assert stored.images[1].status is Status.PROCESSING
    await store.update(job.job_id, partial(publish, index=1))
    assert await store.in_flight() == 1


async def test_ended_jobs_are_found_by_their_end_the_oldest_first(store: Store):
    jobs = [await add(store, an_accepted_job()) for _ in range(4)]
    for number in (2, 0, 1):
        moment = NOW + number * SECOND
        await store.update(jobs[number].job_id, partial(cancel, now=moment))
    assert list(await store.ended_before(NOW + 2 * SECOND, limit=10)) == [jobs[0].job_id, jobs[1].job_id]
    assert list(await store.ended_before(LATER, limit=2)) == [jobs[0].job_id, jobs[1].job_id]
    assert list(await store.ended_before(NOW, limit=10)) == []


async def test_who_asks_with_the_job_served_last_lets_all_take_turns(store: Store):
    jobs = [(await add(store, an_accepted_job(images=2))).job_id for _ in range(3)]
    assert list(await store.to_publish(LATER, limit=2, max_running=MANY, after=jobs[0])) == [jobs[1], jobs[2]]
    assert list(await store.to_publish(LATER, limit=2, max_running=MANY, after=jobs[1])) == [jobs[2], jobs[0]]
    assert list(await store.to_publish(LATER, limit=5, max_running=MANY, after=jobs[2])) == jobs
    assert set(await store.to_publish(LATER, limit=5, max_running=MANY, after=jobs[0])) == set(jobs)


async def test_after_a_job_that_is_gone_the_round_begins_anew(store: Store):
    jobs = [(await add(store, an_accepted_job(images=1))).job_id for _ in range(3)]
    await store.delete(jobs[1])
    assert list(await store.to_publish(LATER, limit=2, max_running=MANY, after=jobs[1])) == [jobs[0], jobs[2]]


async def started(store: Store, *jobs: Job) -> None:
    """The first image of each is in the broker, so the job is processing."""
    for job in jobs:
        await store.update(job.job_id, publish)


async def some_jobs(store: Store, number: int, images: int = 3) -> list[Job]:
    return [await add(store, an_accepted_job(images=images)) for _ in range(number)]


async def test_when_as_many_jobs_run_as_may_only_their_images_are_given(store: Store):
    jobs = await some_jobs(store, 6)
    await started(store, jobs[1], jobs[4])
    assert await store.to_publish(NOW, limit=10, max_running=2) == {
        jobs[1].job_id: [1, 2],
        jobs[4].job_id: [1, 2],
    }
    assert list(await store.to_publish(NOW, limit=10, max_running=1)) == [jobs[1].job_id, jobs[4].job_id]


async def test_the_oldest_pending_jobs_fill_up_those_that_run(store: Store):
    jobs = await some_jobs(store, 6)
    await started(store, jobs[1], jobs[4])
    given = await store.to_publish(NOW, limit=10, max_running=4)
    assert list(given) == [jobs[number].job_id for number in (0, 1, 2, 4)]


async def test_jobs_that_run_go_round_likewise(store: Store):
    jobs = await some_jobs(store, 6)
    await started(store, jobs[1], jobs[3], jobs[4])
    for limit in (4, 10):
        given = await store.to_publish(NOW, limit=limit, max_running=4, after=jobs[3].job_id)
        assert list(given) == [jobs[number].job_id for number in (4, 0, 1, 3)]
    given = await store.to_publish(NOW, limit=3, max_running=4, after=jobs[3].job_id)
    assert list(given) == [jobs[number].job_id for number in (4, 0, 1)]
    given = await store.to_publish(NOW, limit=2, max_running=3, after=jobs[4].job_id)
    assert list(given) == [jobs[number].job_id for number in (1, 3)]


async def test_a_job_that_runs_and_has_nothing_due_holds_its_place_and_is_not_given(store: Store):
    first, second = await some_jobs(store, 2, images=1)
    await started(store, first)
    assert await store.to_publish(NOW, limit=10, max_running=1) == {}
    assert list(await store.to_publish(NOW, limit=10, max_running=2)) == [second.job_id]


async def test_downloads_obey_the_same_bound(store: Store):
    jobs = [await add(store, an_accepted_job([a_url_image(0), a_url_image(1)])) for _ in range(3)]
    await store.update(jobs[1].job_id, lambda job: begin_fetch(job, 0, NOW))
    assert await store.to_fetch(NOW, limit=10, max_running=1) == {jobs[1].job_id: [0, 1]}
    assert list(await store.to_fetch(NOW, limit=10, max_running=2)) == [jobs[0].job_id, jobs[1].job_id]


async def test_images_without_a_result_are_told_from_their_publish_on_the_oldest_first(store: Store):
    jobs = await some_jobs(store, 2)
    for job, index, after_s in ((1, 0, 0), (0, 1, 2), (1, 1, 1), (0, 0, 3)):
        await store.update(jobs[job].job_id, partial(publish, index=index, now=NOW + after_s * SECOND))
    first, second = (job.job_id for job in jobs)
    assert await store.without_result(NOW, limit=10) == {}
    assert await store.without_result(NOW + 3 * SECOND, limit=10) == {second: [0, 1], first: [1]}
    assert await store.without_result(LATER, limit=3) == {second: [0, 1], first: [1]}


async def test_an_image_that_ended_or_is_sent_again_waits_for_no_result(store: Store):
    (job,) = await some_jobs(store, 1)
    for index in range(3):
        await store.update(job.job_id, partial(publish, index=index))
    await store.update(job.job_id, complete)
    await store.update(
        job.job_id, lambda job: attempt_lost(job, attempt_of(job, 1), a_failure(), AttemptPolicy(), NOW)
    )
    assert await store.without_result(LATER, limit=10) == {job.job_id: [2]}
    await store.forget_publishes()
    assert await store.without_result(LATER, limit=10) == {}


async def test_images_of_jobs_accepted_before_a_moment_are_told_until_they_end(store: Store):
    old = await add(store, an_accepted_job([*map(an_image, range(4)), a_url_image(4)], now=NOW))
    young = await add(store, an_accepted_job(images=2, now=NOW + SECOND))
    await store.update(old.job_id, partial(publish, index=1))
    await store.update(old.job_id, partial(complete, index=2))
    assert await store.accepted_before(NOW, limit=10) == {}
    told = await store.accepted_before(NOW + SECOND, limit=10)
    assert {job_id: sorted(indices) for job_id, indices in told.items()} == {old.job_id: [0, 1, 3, 4]}
    told = await store.accepted_before(LATER, limit=10)
    assert {job_id: sorted(indices) for job_id, indices in told.items()} == {
        old.job_id: [0, 1, 3, 4],
        young.job_id: [0, 1],
    }
    told = await store.accepted_before(LATER, limit=2)
    assert sum(map(len, told.values())) == 2


# Reservations


async def test_a_jobs_commit_ends_the_reservations_it_used(store: Store):
    await store.reserve(["one", "two", "three"], deadline=NOW)
    await store.add(an_accepted_job(), reserved=["one", "three"])
    assert list(await store.overdue(LATER, limit=10)) == ["two"]


async def test_a_job_that_used_no_reservation_is_added(store: Store):
    accepted = an_accepted_job([a_url_image()])
    await store.add(accepted, reserved=[])
    assert await store.get(accepted.job.job_id) == accepted.job


@pytest.mark.parametrize("reserved", [["one", "two"], ["two"], ["one", "nobody"]])
async def test_a_job_one_of_whose_reservations_is_gone_is_refused_and_not_kept(store: Store, reserved):
    accepted = an_accepted_job()
    await store.reserve(["one", "two"], deadline=NOW)
    await store.release(["two"])
    with pytest.raises(Conflict):
        await store.add(accepted, reserved=reserved)
    with pytest.raises(JobNotFound):
        await store.get(accepted.job.job_id)
    assert (await store.page(limit=1)).total == 0
    assert list(await store.overdue(LATER, limit=10)) == ["one"]


async def test_one_reservation_makes_one_job(store: Store):
    await store.reserve(["one"], deadline=LATER)
    outcomes = await asyncio.gather(
        *(store.add(an_accepted_job(), reserved=["one"]) for _ in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes].count(Conflict) == 2
    assert (await store.page(limit=1)).total == 1


async def test_a_release_and_a_job_in_the_same_instant_never_both_succeed(store: Store):
    await store.reserve(["one"], deadline=LATER)
    accepted = an_accepted_job()
    _, added = await asyncio.gather(
        store.release(["one"]), store.add(accepted, reserved=["one"]), return_exceptions=True
    )
    assert isinstance(added, Conflict)
    assert (await store.page(limit=1)).total == 0


async def test_a_job_that_exists_already_is_not_added_twice(store: Store):
    """Whatever the error is, it harms nobody beside it."""
    job = await add(store, an_accepted_job(images=1))
    await store.reserve(["0", "1", "2"], deadline=LATER)
    first, again, last = await asyncio.gather(
        store.add(an_accepted_job(), reserved=["0"]),
        store.add(an_accepted_job(job_id=job.job_id), reserved=["1"]),
        store.add(an_accepted_job(), reserved=["2"]),
        return_exceptions=True,
    )
    assert (first, last) == (None, None)
    assert isinstance(again, Exception)
    assert await store.get(job.job_id) == job
    assert (await store.page(limit=1)).total == 3
    assert list(await store.overdue(LATER + SECOND, limit=10)) == ["1"]


async def test_overdue_reservations_come_most_overdue_first(store: Store):
    for number in (2, 0, 1, 3):
        await store.reserve([f"n{number}"], deadline=NOW + number * SECOND)
    assert list(await store.overdue(NOW + 2.5 * SECOND, limit=10)) == ["n0", "n1", "n2"]
    assert list(await store.overdue(LATER, limit=2)) == ["n0", "n1"]


async def test_a_reservation_is_not_overdue_before_its_deadline(store: Store):
    await store.reserve(["one"], deadline=NOW)
    assert list(await store.overdue(NOW - SECOND, limit=10)) == []


async def test_releasing_what_is_not_there_is_fine(store: Store):
    await store.release(["nobody"])


async def test_a_claimed_reservation_is_overdue_and_no_job_can_use_it(store: Store):
    await store.reserve(["one"], deadline=LATER)
    await store.claim(["one"])
    assert list(await store.overdue(NOW, limit=10)) == ["one"]
    with pytest.raises(Conflict):
        await store.add(an_accepted_job(), reserved=["one"])


async def test_a_claim_and_a_job_in_the_same_instant_never_both_succeed(store: Store):
    await store.reserve(["one"], deadline=LATER)
    _, added = await asyncio.gather(
        store.claim(["one"]), store.add(an_accepted_job(), reserved=["one"]), return_exceptions=True
    )
    assert isinstance(added, Conflict)


async def test_a_reservation_that_a_job_has_used_can_not_be_claimed(store: Store):
    await store.reserve(["one", "two"], deadline=NOW)
    overdue = await store.overdue(LATER, limit=10)
    await store.add(an_accepted_job(), reserved=["one"])
    assert list(await store.claim(overdue)) == ["two"]


async def test_a_job_and_a_claim_in_the_same_instant_never_both_succeed(store: Store):
    await store.reserve(["one"], deadline=LATER)
    _, claimed = await asyncio.gather(store.add(an_accepted_job(), reserved=["one"]), store.claim(["one"]))
    assert list(claimed) == []

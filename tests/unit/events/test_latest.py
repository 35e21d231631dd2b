"""Jobs in memory are never older than what was announced, also when that comes while they are being read."""

import asyncio

import pytest

from gateway.domain.footprint import footprint
from gateway.domain.job import Job
from gateway.events.latest import LatestJobs
from gateway.ports.job_store import JobNotFound
from tests.builders import a_job, complete, publish
from tests.patience import PATIENCE_S


class HeldStore:
    """A job store whose reads have seen the file, and answer when they are let go."""

    def __init__(self, *jobs: Job) -> None:
        self.jobs = {job.job_id: job for job in jobs}
        self.reads = 0
        self.reading = asyncio.Event()
        self.let_go = asyncio.Event()

    async def get(self, job_id: str) -> Job:
        self.reads += 1
        job = self.jobs.get(job_id)
        self.reading.set()
        await self.let_go.wait()
        if job is None:
            raise JobNotFound("There is no such job.")
        return job


def latest_of(store: HeldStore, **options: int) -> LatestJobs:
    return LatestJobs(store, **options)  # type: ignore[arg-type]  # nothing but `get` is asked of it


async def read_at_once(store: HeldStore, latest: LatestJobs, job_id: str) -> Job:
    store.let_go.set()
    return await latest.get(job_id)


async def test_what_is_announced_while_a_job_is_read_wins_over_what_was_read():
    before = a_job(1)
    change = publish(before)
    store = HeldStore(before)
    latest = latest_of(store)
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(latest.get(before.job_id))
        await store.reading.wait()
        latest.observe(change)
        store.let_go.set()
    assert reading.result() is change.job
    assert latest.at_hand(before.job_id) is change.job


async def test_it_wins_for_each_of_several_readers_and_the_newest_of_several_changes_does():
    before = a_job(1)
    started = publish(before)
    ended = complete(started.job)
    store = HeldStore(before)
    latest = latest_of(store)
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        readings = [tasks.create_task(latest.get(before.job_id)) for _ in range(2)]
        await store.reading.wait()
        latest.observe(started)
        latest.observe(ended)
        store.let_go.set()
    assert [reading.result() for reading in readings] == [ended.job, ended.job]


async def test_a_reader_that_leaves_takes_nothing_from_the_others():
    before = a_job(1)
    change = publish(before)
    store = HeldStore(before)
    latest = latest_of(store)
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        leaving, staying = (tasks.create_task(latest.get(before.job_id)) for _ in range(2))
        await store.reading.wait()
        leaving.cancel()
        await asyncio.wait([leaving])
        latest.observe(change)
        store.let_go.set()
    assert staying.result() is change.job


async def test_a_change_of_a_job_that_nobody_asked_for_is_not_kept():
    change = publish(a_job(1))
    latest = latest_of(HeldStore())
    latest.observe(change)
    assert latest.at_hand(change.job.job_id) is None


async def test_after_a_read_that_failed_a_change_is_not_kept_either():
    change = publish(a_job(1))
    store = HeldStore()
    latest = latest_of(store)
    with pytest.raises(JobNotFound):
        await read_at_once(store, latest, change.job.job_id)
    latest.observe(change)
    assert latest.at_hand(change.job.job_id) is None


async def test_a_job_that_is_kept_follows_its_changes_and_is_read_once():
    before = a_job(1)
    store = HeldStore(before)
    latest = latest_of(store)
    await read_at_once(store, latest, before.job_id)
    change = publish(before)
    latest.observe(change)
    assert await latest.get(before.job_id) is change.job
    assert store.reads == 1


async def test_a_deleted_job_is_forgotten():
    job = a_job(1)
    store = HeldStore(job)
    latest = latest_of(store)
    await read_at_once(store, latest, job.job_id)
    latest.forget(job.job_id)
    assert latest.at_hand(job.job_id) is None


async def test_jobs_are_bounded_by_their_bytes_and_the_longest_unused_goes_first():
    jobs = [a_job(3) for _ in range(4)]
    store = HeldStore(*jobs)
    latest = latest_of(store, capacity_bytes=3 * footprint(jobs[0]))
    for job in (*jobs[:3], jobs[0], jobs[3]):
        await read_at_once(store, latest, job.job_id)
    assert [latest.at_hand(job.job_id) is not None for job in jobs] == [True, False, True, True]


async def test_a_job_that_grows_makes_others_go_and_what_went_makes_room():
    small, growing = a_job(1), a_job(1)
    store = HeldStore(small, growing)
    latest = latest_of(store, capacity_bytes=2 * footprint(small))
    for job in (small, growing):
        await read_at_once(store, latest, job.job_id)
    latest.observe(complete(publish(growing).job))
    assert latest.at_hand(small.job_id) is None
    latest.forget(growing.job_id)
    for job in (small, growing):
        await read_at_once(store, latest, job.job_id)
    assert latest.at_hand(small.job_id) is small

"""No committed change is left untold, whatever becomes of who made it; none is told that was not committed."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.ports.job_store import JobNotFound
from tests.builders import an_accepted_job, publish
from tests.integration.job_store.stores import add, held_writer, until_it_waits
from tests.integration.jobs.parts import Parts


async def cancelled_in_its_commit(parts: Parts, job: Job, write: Coroutine[Any, Any, object]) -> None:
    """The group that the write belongs to has begun when its caller is cancelled, and is committed afterwards."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: Job) -> None:
        begun.set()
        assert go_on.wait(30)

    async with held_writer(parts.jobs, job):
        held = asyncio.ensure_future(parts.jobs.update(job.job_id, hold))
        await until_it_waits(held)
        writing = asyncio.ensure_future(write)
        await until_it_waits(writing)
    assert await asyncio.to_thread(begun.wait, 30)
    writing.cancel()
    await asyncio.wait((writing,))
    assert writing.cancelled()
    go_on.set()
    await held


def told_by(parts: Parts) -> list[Change]:
    told: list[Change] = []
    parts.hub.observe(told.append)
    return told


async def test_a_change_whose_caller_was_cancelled_is_told(parts: Parts) -> None:
    job, told = await add(parts.jobs), told_by(parts)
    before = await parts.latest.get(job.job_id)
    await cancelled_in_its_commit(parts, job, parts.ledger.change(job.job_id, publish))
    committed = await parts.jobs.get(job.job_id)
    assert committed.seq > before.seq
    assert [change.job for change in told] == [committed]
    assert await parts.latest.get(job.job_id) == committed


async def test_a_job_whose_caller_was_cancelled_is_told(parts: Parts) -> None:
    job, told, accepted = await add(parts.jobs), told_by(parts), an_accepted_job(1)
    await cancelled_in_its_commit(parts, job, parts.ledger.add(accepted, reserved=()))
    assert told == [accepted]


async def test_a_deletion_whose_caller_was_cancelled_is_told(parts: Parts) -> None:
    job, other, deleted = await add(parts.jobs), await add(parts.jobs), list[str]()
    parts.hub.observe_deletions(deleted.append)
    await parts.latest.get(other.job_id)
    await cancelled_in_its_commit(parts, job, parts.ledger.delete(other.job_id))
    assert deleted == [other.job_id]
    with pytest.raises(JobNotFound):
        await parts.latest.get(other.job_id)


async def test_a_change_that_was_taken_back_before_its_commit_began_is_not_told(parts: Parts) -> None:
    job, told = await add(parts.jobs), told_by(parts)
    async with held_writer(parts.jobs, job):
        leaving = asyncio.ensure_future(parts.ledger.change(job.job_id, publish))
        await until_it_waits(leaving)
        leaving.cancel()
        await asyncio.wait((leaving,))
    assert await parts.jobs.get(job.job_id) == job
    assert told == []


async def test_what_is_decided_to_stay_is_not_told(parts: Parts) -> None:
    job, told = await add(parts.jobs), told_by(parts)
    assert await parts.ledger.change(job.job_id, lambda _: None) is None
    assert told == []


async def test_a_change_is_told_before_its_caller_goes_on(parts: Parts) -> None:
    job, told = await add(parts.jobs), told_by(parts)
    change = await parts.ledger.change(job.job_id, publish)
    assert told == [change]


async def test_an_observer_that_crashes_keeps_no_commit_from_its_caller_nor_from_the_others(
    parts: Parts,
) -> None:
    one, other = await add(parts.jobs), await add(parts.jobs)
    told = list[str]()

    def crash_at_one(change: Change) -> None:
        if change.job.job_id == one.job_id:
            raise RuntimeError("a bug")
        told.append(change.job.job_id)

    parts.hub.observe(crash_at_one)
    async with held_writer(parts.jobs, one):
        changes = [asyncio.ensure_future(parts.ledger.change(job.job_id, publish)) for job in (one, other)]
        await until_it_waits(changes[-1])
    assert all(await asyncio.gather(*changes))
    assert told == [other.job_id]

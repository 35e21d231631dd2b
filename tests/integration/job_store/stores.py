"""What tests of the SQLite job store do with it: add a job, and keep its writer busy."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.domain.events import Change
from gateway.domain.job import Job
from tests.builders import an_accepted_job

ROOT = Path(__file__).parents[3]


async def add(store: SqliteJobStore, accepted: Change | None = None) -> Job:
    accepted = accepted or an_accepted_job(images=2)
    await store.add(accepted, reserved=[])
    return accepted.job


@asynccontextmanager
async def held_writer(store: SqliteJobStore, job: Job) -> AsyncIterator[None]:
    """The writer is in the middle of a decision for as long as the context lasts."""
    begun, go_on = threading.Event(), threading.Event()

    def decide(job: Job) -> None:
        begun.set()
        assert go_on.wait(30)

    update = asyncio.ensure_future(store.update(job.job_id, decide))
    try:
        assert await asyncio.to_thread(begun.wait, 30)
        yield
    finally:
        go_on.set()
        await update


async def until_it_waits(task: asyncio.Future) -> None:
    """Let the task run up to where only the writer can help it."""
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()

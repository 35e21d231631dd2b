"""What the suites of the job store's ports share: every adapter must pass them, and they never ask which one it is."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.domain.transitions import cancel
from gateway.ports.answers import Answers
from gateway.ports.backlog import Backlog
from gateway.ports.dead_letters import DeadLetterStore
from gateway.ports.image_search import ImageSearch
from gateway.ports.job_store import EventLog, JobStore
from gateway.ports.leases import Leases
from gateway.ports.reservations import Reservations
from gateway.ports.reuse import AnalysedImages
from tests.builders import NOW, an_accepted_job, publish

SECOND = timedelta(seconds=1)
LATER = NOW + timedelta(hours=1)
MANY = 1000


class Store(
    JobStore,
    EventLog,
    Backlog,
    Reservations,
    ImageSearch,
    AnalysedImages,
    DeadLetterStore,
    Answers,
    Leases,
    Protocol,
):
    """All ports in one object."""


ADAPTERS: Final[Mapping[str, Callable[[Path], AbstractAsyncContextManager[Store]]]] = {
    "sqlite": lambda folder: SqliteJobStore.open(folder / "jobs.sqlite"),
}
"""Each adapter by its name: how it is opened in an empty folder."""


async def add(store: Store, accepted: Change) -> Job:
    """Add the job the way a submit does, and give it back."""
    trace_ids = [image.trace_id for image in accepted.job.images]
    await store.reserve(trace_ids, deadline=LATER)
    await store.add(accepted, reserved=trace_ids)
    return accepted.job


async def some_jobs(store: Store, number: int, images: int = 3) -> list[Job]:
    return [await add(store, an_accepted_job(images=images)) for _ in range(number)]


async def started(store: Store, *jobs: Job) -> None:
    """The first image of each is in the broker, so the job is processing."""
    for job in jobs:
        await store.update(job.job_id, publish)


def stop(job: Job) -> Change | None:
    return cancel(job, NOW)

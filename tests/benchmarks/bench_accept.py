"""The job store: what group commit brings to accepts, and whether a hundred thousand kept jobs cost anything."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

from gateway.adapters.job_store.database import open_database
from gateway.adapters.job_store.recent import RecentJobs
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.adapters.job_store.unit_of_work import UnitOfWork
from gateway.domain.events import Change
from gateway.domain.job import Status
from gateway.jobs.accepting.reserved import ReservedTraceIds
from gateway.ports.clock import SystemClock
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.on_disk import folder_on_disk
from tests.benchmarks.row import Row, at_least, at_most
from tests.builders import NOW, an_accepted_job, complete

IN_FLIGHT = 16
# Half a second each, in which either file's write-ahead log stops growing and is written over, as in a long run.
ACCEPTS, ACCEPTS_ONE_BY_ONE = 6_400, 800
MANY, FEW = 100_000, 100

Post = Callable[[Change], Awaitable[object]]


async def run() -> list[Row]:
    with folder_on_disk() as folder:
        return [await accepts(folder), *await kept_jobs(folder)]


async def accepts(folder: Path) -> Row:
    names = itertools.count()
    ours, alone = await interleaved(
        lambda: accepts_of_the_store(folder / f"{next(names)}.sqlite"),
        lambda: accepts_one_by_one(folder / f"{next(names)}.sqlite"),
    )
    return Row(
        name="accepts, 16 in flight",
        value=ours,
        unit="accepts a second",
        reference=alone,
        compared_with="a reservation and a job by the same statements, a commit each, in one thread",
        goal=at_least(9),
    )


async def accepts_of_the_store(path: Path) -> float:
    async with SqliteJobStore.open(path) as store:

        async def post(accepted: Change) -> None:
            await store.add(accepted, reserved=[await reserved.take()])

        reserved = ReservedTraceIds(store, SystemClock(), "b", 3600.0)
        return await accepts_a_second(post, ACCEPTS)


async def accepts_one_by_one(path: Path) -> float:
    database = open_database(path, "full")
    begin = partial(UnitOfWork, database.writer, RecentJobs(), set(), itertools.count(1))

    def commit(operation: Callable[[UnitOfWork], object]) -> None:
        database.writer.execute("BEGIN IMMEDIATE")
        unit = begin()
        operation(unit)
        unit.write()
        database.writer.execute("COMMIT")
        unit.committed()

    with ThreadPoolExecutor(1) as thread:
        loop = asyncio.get_running_loop()

        async def post(accepted: Change) -> None:
            name = accepted.job.job_id
            await loop.run_in_executor(thread, commit, lambda unit: unit.reserve([name], NOW))
            await loop.run_in_executor(thread, commit, lambda unit: unit.add(accepted, [name]))

        speed = await accepts_a_second(post, ACCEPTS_ONE_BY_ONE)
    database.close()
    return speed


async def accepts_a_second(post: Post, number: int) -> float:
    jobs = [an_accepted_job(images=1, now=NOW + timedelta(milliseconds=n)) for n in range(number)]
    started = time.perf_counter()
    await post_all(jobs, post, in_flight=IN_FLIGHT)
    return number / (time.perf_counter() - started)


async def post_all(jobs: Sequence[Change], post: Post, *, in_flight: int) -> None:
    left = iter(jobs)

    async def client() -> None:
        for accepted in left:
            await post(accepted)

    await asyncio.gather(*(client() for _ in range(in_flight)))


class Kept:
    """A file with so many jobs; FEW of them, of ten images each, are what the measurements ask for.

    So the same work is done in both files, alone or among many.
    """

    def __init__(self, path: Path, jobs: int) -> None:
        self.path = path
        every = jobs // FEW
        self.jobs = [
            an_accepted_job(images=1 if n % every else 10, now=NOW + timedelta(milliseconds=n))
            for n in range(jobs)
        ]
        self.asked = [change.job.job_id for change in self.jobs[::every]]
        self.rounds = itertools.count()

    async def fill(self) -> None:
        async with SqliteJobStore.open(self.path, synchronous="normal") as store:

            async def post(accepted: Change) -> None:
                await store.add(accepted, reserved=[])

            await post_all(self.jobs, post, in_flight=256)
        self.jobs.clear()


async def kept_jobs(folder: Path) -> list[Row]:
    many, few = Kept(folder / "many.sqlite", MANY), Kept(folder / "few.sqlite", FEW)
    await many.fill()
    await few.fill()
    rows = [await kept_row("status, 100,000 jobs kept", many, few, read_jobs)]
    async with SqliteJobStore.open(many.path) as store_of_many, SqliteJobStore.open(few.path) as store_of_few:

        async def measured(measure: Callable[[Kept, SqliteJobStore], Awaitable[float]], kept: Kept) -> float:
            return await measure(kept, store_of_many if kept is many else store_of_few)

        for name, measure in (
            ("list, 100,000 jobs kept", list_jobs),
            ("list by status, 100,000 jobs kept", partial(list_jobs, status=Status.PENDING)),
            ("one result, 100,000 jobs kept", take_results),
        ):
            rows.append(await kept_row(name, many, few, partial(measured, measure)))
    return rows


async def kept_row(name: str, many: Kept, few: Kept, measure: Callable[[Kept], Awaitable[float]]) -> Row:
    value, reference = await interleaved(lambda: measure(many), lambda: measure(few), rounds=9)
    return Row(
        name=name,
        value=value * 1e6,
        unit="us",
        reference=reference * 1e6,
        compared_with="100 jobs kept",
        goal=at_most(1.2),
    )


async def read_jobs(kept: Kept) -> float:
    """From a store that was just opened: none of them is in memory."""
    async with SqliteJobStore.open(kept.path) as store:
        return await median_time([partial(store.get, job_id) for job_id in kept.asked])


async def list_jobs(kept: Kept, store: SqliteJobStore, status: Status | None = None) -> float:
    return await median_time([partial(store.page, limit=50, status=status)] * 100)


async def take_results(kept: Kept, store: SqliteJobStore) -> float:
    """Of the next image of each job."""
    decide = partial(complete, index=next(kept.rounds))
    return await median_time([partial(store.update, job_id, decide) for job_id in kept.asked])


async def median_time(calls: Sequence[Callable[[], Awaitable[object]]]) -> float:
    times = []
    for call in calls:
        started = time.perf_counter()
        await call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)

"""What the SQLite job store commits together, what it gives up, and what waits for the disk."""

import asyncio
import itertools
import struct
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from gateway.adapters.job_store.database import open_database
from gateway.adapters.job_store.recent import RecentJobs
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.adapters.job_store.unit_of_work import UnitOfWork
from gateway.adapters.job_store.writer import Writer
from gateway.errors import Unavailable
from tests.builders import NOW, publish
from tests.integration.job_store.stores import add, held_writer, until_it_waits
from tests.patience import PATIENCE_S


def commits_in(wal: Path) -> int:
    """Commits that the write-ahead log holds (sqlite.org/fileformat.html#the_write_ahead_log)."""
    log = wal.read_bytes()
    page_size, salts = struct.unpack_from(">8xI4x8s", log)
    frames = range(32, len(log), 24 + page_size)
    headers = (struct.unpack_from(">II8s", log, offset) for offset in frames)
    return sum(1 for _, size_after_commit, salt in headers if salt == salts and size_after_commit)


async def test_writes_that_wait_together_share_a_commit(store, path):
    job = await add(store)
    wal = path.with_name("jobs.sqlite-wal")
    before = commits_in(wal)
    async with held_writer(store, job):
        begun = [asyncio.ensure_future(store.reserve([str(n)], deadline=NOW)) for n in range(100)]
        await until_it_waits(begun[-1])
    await asyncio.gather(*begun)
    assert commits_in(wal) - before in (1, 2)


async def test_any_number_of_writers_gets_its_turn(store):
    await asyncio.gather(*(store.reserve([str(number)], deadline=NOW) for number in range(3_000)))
    assert len(await store.overdue(NOW.replace(year=2030), limit=5_000)) == 3_000


async def test_closing_makes_the_writes_that_wait(path):
    """More of them than one group takes."""
    async with SqliteJobStore.open(path) as store:
        waiting = [asyncio.ensure_future(store.reserve([str(n)], deadline=NOW)) for n in range(800)]
        await until_it_waits(waiting[-1])
    await asyncio.gather(*waiting)
    async with SqliteJobStore.open(path) as store:
        assert len(await store.overdue(NOW.replace(year=2030), limit=1_000)) == 800


async def test_a_commit_reaches_the_disk_before_it_returns(path):
    database = open_database(path, "full")
    assert database.writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


async def test_a_write_whose_waiter_left_before_its_turn_is_not_made(store):
    job = await add(store)
    async with held_writer(store, job):
        leaving = asyncio.ensure_future(store.update(job.job_id, publish))
        staying = asyncio.ensure_future(store.update(job.job_id, partial(publish, index=1)))
        await until_it_waits(leaving)
        leaving.cancel()
        await asyncio.wait((leaving,))
    await staying
    stored = await store.get(job.job_id)
    assert [image.published_at is None for image in stored.images] == [True, False]


@pytest.fixture
async def impatient(path) -> AsyncIterator[Writer]:
    database = open_database(path, "full")
    recent, keys = RecentJobs(), itertools.count(1)
    writer = Writer(database.writer, lambda: UnitOfWork(database.writer, recent, set(), keys), patience_s=0.5)
    writer.start()
    yield writer
    await writer.close()
    database.close()


async def test_a_write_whose_turn_does_not_come_is_given_up_and_one_that_was_begun_is_not(impatient):
    begun, go_on = threading.Event(), threading.Event()

    def hold(unit: UnitOfWork) -> bool:
        begun.set()
        return go_on.wait(PATIENCE_S)

    held = asyncio.ensure_future(impatient.run(hold))
    assert await asyncio.to_thread(begun.wait, PATIENCE_S)
    made: list[str] = []
    for name in ("first", "second"):
        with pytest.raises(Unavailable, match="too busy"):
            await impatient.run(lambda unit, name=name: made.append(name))
    assert not held.done()
    go_on.set()
    assert await held is True
    await impatient.run(lambda unit: made.append("last"))
    assert made == ["last"]

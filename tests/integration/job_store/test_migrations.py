"""Older files of the SQLite job store, migrated with all that they hold."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from gateway.adapters.job_store.database import open_database
from gateway.adapters.job_store.rows import KeptJob, image_row, job_row
from gateway.adapters.job_store.schema import MIGRATIONS, add_functions, migrate
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.domain.image_query import ImageQuery
from gateway.domain.job import ImageRef, Job, Outcome, Status
from gateway.domain.options import BatchOptions
from gateway.domain.reuse import Analysed, reused
from gateway.domain.transitions import accept
from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy
from tests.builders import NOW, a_job, an_accepted_job, an_image, an_original, complete, publish
from tests.integration.job_store.stores import ROOT, add


async def test_an_older_file_is_migrated_with_all_it_holds(path):
    async with SqliteJobStore.open(path) as store:
        job = await add(store)
    older = open_database(path, "full")
    migrate(older.writer, [*MIGRATIONS, ["ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 5"]])
    assert older.writer.execute("SELECT job_id, priority FROM jobs").fetchall() == [(job.job_id, 5)]
    assert older.writer.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    older.close()


COLUMNS_OF_JOBS = {1: 12, 2: 13, 3: 15}
"""By version; later ones came behind them."""


def write_version(version: int, path: Path, *jobs: Job) -> None:
    """A file as that version of the tables has it."""
    columns = COLUMNS_OF_JOBS[version]
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        add_functions(older)
        migrate(older, MIGRATIONS[:version])
        for key, job in enumerate(jobs, start=1):
            row = job_row(KeptJob(key, job))[:columns]
            older.execute(f"INSERT INTO jobs VALUES ({', '.join('?' * columns)})", row)  # noqa: S608
            older.executemany(
                "INSERT INTO images VALUES (?, ?, ?, ?, ?)", [image_row(key, image) for image in job.images]
            )


async def found(store: SqliteJobStore, *keywords: str, status: Status | None = None) -> tuple[int, list[str]]:
    """How many there are, and the jobs of those on the first page."""
    page = await store.find_images(ImageQuery(keywords=keywords, status=status), limit=10)
    return page.total, [hit.job_id for hit in page.images]


async def test_the_images_of_a_file_of_the_first_version_are_found(path):
    first, second = a_job(4, completed=2, failed=1), a_job(2, completed=1, cancelled=True)
    write_version(1, path, first, second)
    async with SqliteJobStore.open(path) as store:
        assert await store.get(first.job_id) == first
        tagged = [second.job_id, first.job_id, first.job_id]
        assert await found(store, "boat") == await found(store, "BOAT", "übersee") == (3, tagged)
        assert await found(store, status=Status.COMPLETED) == (3, tagged)
        assert await found(store, status=Status.FAILED) == (1, [first.job_id])
        assert await found(store, status=Status.CANCELLED) == (1, [second.job_id])
        assert await found(store, status=Status.PENDING) == (1, [first.job_id])
        await store.update(first.job_id, lambda job: complete(job, 3))
        assert (await found(store, "boat"))[0] == 4
        await store.delete(first.job_id)
        assert (
            await found(store, "boat") == await found(store, status=Status.COMPLETED) == (1, [second.job_id])
        )


async def test_the_jobs_of_a_file_of_the_second_version_tell_when_they_began_and_can_be_tried_again(path):
    begun, second = NOW + timedelta(seconds=5), timedelta(seconds=1)
    options = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))
    waiting = an_accepted_job(images=2).job
    running = publish(publish(waiting, 1, now=begun).job, 0, now=begun + second).job
    running = evolve(running, job_id="running", options=options)
    ended = a_job(3, completed=1, failed=2, now=begun)
    write_version(2, path, waiting, running, ended)
    async with SqliteJobStore.open(path) as store:
        assert [await store.get(job.job_id) for job in (waiting, running, ended)] == [waiting, running, ended]
        listed = (await store.page(limit=10)).jobs
        assert [(job.job_id, job.started_at, job.outcome, job.retry_of) for job in listed] == [
            (ended.job_id, begun, Outcome.PARTIAL, None),
            (running.job_id, begun, None, None),
            (waiting.job_id, None, None, None),
        ]
        image = evolve(an_image(), original=ended.images[2].original)
        again = accept("again", [image], begun, retry_of=ended.job_id)
        await store.add(again, reserved=[])
        assert image.original is not None
        assert await store.retire(ended.job_id) == {image.original.key}
    async with SqliteJobStore.open(path) as store:
        assert await store.get("again") == again.job


async def test_the_images_of_a_file_of_the_third_version_are_reused(path):
    options = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))
    plain, optioned = a_job(3, completed=2, failed=1), evolve(a_job(1, completed=1), options=options)
    write_version(3, path, plain, optioned, a_job(2, cancelled=True))
    async with SqliteJobStore.open(path) as store:
        sha256 = an_original().sha256
        for job, index, asked in ((plain, 1, BatchOptions()), (optioned, 0, options)):
            found = (await store.find_analysed([sha256], asked))[sha256]
            image = job.images[index]
            assert found == Analysed(ImageRef(job.job_id, index), image.processed_path or "", image.metadata)
        reusing = await add(store, an_accepted_job([reused(an_image(), found, NOW)]))
        assert await store.withdraw([optioned.job_id]) == {found.processed_path}
    async with SqliteJobStore.open(path) as store:
        assert await store.get(reusing.job_id) == reusing
        assert await store.withdraw([optioned.job_id]) == {found.processed_path}


async def test_what_deleted_jobs_were_found_by_takes_no_room(path):
    write_version(1, path, a_job(2, completed=2))
    async with SqliteJobStore.open(path) as store:
        added = await add(store, an_accepted_job(images=2))
        await store.update(added.job_id, publish)
        await store.update(added.job_id, complete)
        for job in (await store.page(limit=10)).jobs:
            await store.delete(job.job_id)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT * FROM keywords").fetchall() == []
        assert file.execute("SELECT sum(images) FROM tallies").fetchone() == (0,)


async def test_a_migration_takes_no_room_where_temporary_files_lie(path, tmp_path):
    """A container's /tmp is small, and the keywords of some hundred thousand images would fill it."""
    keywords = tuple(f"keyword {number}" for number in range(150))
    tagged = an_image(status=Status.COMPLETED, metadata=Metadata(keywords=keywords))
    write_version(1, path, *(a_job([evolve(tagged, index=n) for n in range(100)]) for _ in range(10)))
    folder = tmp_path / "temporary"
    folder.mkdir()
    os.utime(folder, (0, 0))
    code = "import sys, pathlib, gateway.adapters.job_store.database as database\n"
    code += "database.open_database(pathlib.Path(sys.argv[1]), 'full').close()"
    environment = os.environ | {"SQLITE_TMPDIR": str(folder)}
    subprocess.run([sys.executable, "-c", code, path], check=True, cwd=ROOT, env=environment)
    assert folder.stat().st_mtime == 0
    async with SqliteJobStore.open(path) as store:
        assert (await found(store, "keyword 7"))[0] == 1000


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path):
    async with SqliteJobStore.open(path) as store:
        job = await add(store)
    older = open_database(path, "full")
    with pytest.raises(sqlite3.OperationalError):
        migrate(older.writer, [*MIGRATIONS, ["DROP TABLE events", "DROP TABLE nothing"]])
    older.close()
    async with SqliteJobStore.open(path) as store:
        assert await store.events(job.job_id, after=0, limit=10)

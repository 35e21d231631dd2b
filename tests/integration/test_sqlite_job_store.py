"""What is SQLite's own: the file, its death and its birth, full disks, and what waits for what."""

import asyncio
import gc
import itertools
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve

from gateway.adapters.job_store.database import open_database
from gateway.adapters.job_store.faults import UnusableJobStore
from gateway.adapters.job_store.readers import Readers
from gateway.adapters.job_store.recent import RecentJobs
from gateway.adapters.job_store.rows import KeptJob, image_row, job_row
from gateway.adapters.job_store.schema import MIGRATIONS, add_functions, migrate
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.adapters.job_store.unit_of_work import UnitOfWork
from gateway.adapters.job_store.writer import Writer
from gateway.domain.events import Change
from gateway.domain.footprint import footprint
from gateway.domain.image_query import ImageQuery
from gateway.domain.job import Job, Outcome, Status
from gateway.domain.options import BatchOptions
from gateway.domain.transitions import accept
from gateway.errors import NoRoom, Unavailable
from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy
from gateway.ports.job_store import JobNotFound
from tests.builders import NOW, a_job, an_accepted_job, an_image, complete, publish

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sqlite"


@pytest.fixture
async def store(path) -> AsyncIterator[SqliteJobStore]:
    async with SqliteJobStore.open(path) as store:
        yield store


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


def commits_in(wal: Path) -> int:
    """Commits that the write-ahead log holds (sqlite.org/fileformat.html#the_write_ahead_log)."""
    log = wal.read_bytes()
    page_size, salts = struct.unpack_from(">8xI4x8s", log)
    frames = range(32, len(log), 24 + page_size)
    headers = (struct.unpack_from(">II8s", log, offset) for offset in frames)
    return sum(1 for _, size_after_commit, salt in headers if salt == salts and size_after_commit)


# Group commit


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


async def test_reads_do_not_wait_for_the_writer(store):
    job = await add(store)
    async with held_writer(store, job):
        async with asyncio.timeout(5):
            assert await store.get(job.job_id) == job
            assert (await store.page(limit=10)).total == 1
            assert len(await store.to_publish(NOW, limit=10, max_running=1000)) == 1
            assert await store.events(job.job_id, after=0, limit=10)


async def test_other_questions_do_not_wait_for_searches(store, path):
    """Each of these goes through a hundred thousand rows, to count them."""
    job = await add(store)
    numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(f"{numbers} INSERT INTO keywords SELECT 'dog', n FROM numbers")  # noqa: S608
    query = ImageQuery(keywords=["dog"])
    searches = [asyncio.ensure_future(store.find_images(query, limit=1)) for _ in range(200)]
    await until_it_waits(searches[-1])
    assert len(await store.events(job.job_id, after=0, limit=10)) == 1
    assert not searches[100].done()
    for search in searches:
        search.cancel()
    await asyncio.gather(*searches, return_exceptions=True)


async def test_a_question_that_nobody_waits_for_any_more_is_broken_off(path, caplog):
    connection, question, begun = a_question_of_minutes(path)  # on the only connection
    readers = Readers([connection])
    asking = asyncio.ensure_future(readers.run(question))
    try:
        assert await asyncio.to_thread(begun.wait, 30)
        asking.cancel()
        async with asyncio.timeout(10):
            assert await readers.run(lambda reader: reader.execute("SELECT 1").fetchone()) == (1,)
    finally:
        connection.interrupt()
        await readers.close()
    del asking
    gc.collect()
    assert caplog.messages == []


async def test_a_question_that_takes_longer_than_a_close_waits_is_broken_off(path):
    connection, question, begun = a_question_of_minutes(path)
    readers = Readers([connection], close_s=0.1)
    asking = asyncio.ensure_future(readers.run(question))
    assert await asyncio.to_thread(begun.wait, 30)
    await readers.close()
    with pytest.raises(Unavailable):
        await asking


def a_question_of_minutes(path):
    """With its connection, and the event that it sets when it is at work."""
    numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1e9)"
    question = f"{numbers} SELECT count(begun(n)) FROM numbers"  # noqa: S608
    begun = threading.Event()
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.create_function("begun", 1, lambda _: begun.set())
    return connection, lambda reader: reader.execute(question).fetchone(), begun


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
    writer = Writer(
        database.writer, lambda: UnitOfWork(database.writer, recent, set(), keys), patience_s=0.05
    )
    writer.start()
    yield writer
    await writer.close()
    database.close()


async def test_a_write_whose_turn_does_not_come_is_given_up_and_one_that_was_begun_is_not(impatient):
    begun, go_on = threading.Event(), threading.Event()

    def hold(unit: UnitOfWork) -> bool:
        begun.set()
        return go_on.wait(5)

    held = asyncio.ensure_future(impatient.run(hold))
    assert await asyncio.to_thread(begun.wait, 5)
    made: list[str] = []
    for name in ("first", "second"):
        with pytest.raises(Unavailable, match="too busy"):
            await impatient.run(lambda unit, name=name: made.append(name))
    assert not held.done()
    go_on.set()
    assert await held is True
    await impatient.run(lambda unit: made.append("last"))
    assert made == ["last"]


# A full disk


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 2 MB; mounting it needs root, as CI has it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return ballast


async def test_a_full_disk_fails_all_that_wait_and_a_freed_one_works_again(small_disk):
    async with SqliteJobStore.open(small_disk / "jobs.sqlite") as store:
        job = await add(store)
        ballast = fill(small_disk)
        new = [an_accepted_job(images=100) for _ in range(20)]
        outcomes = await asyncio.gather(*(add(store, accepted) for accepted in new), return_exceptions=True)
        with pytest.raises(NoRoom):
            await asyncio.gather(*(store.check() for _ in range(200)))
        assert {type(outcome) for outcome in outcomes} == {NoRoom}
        assert await store.get(job.job_id) == job
        assert (await store.page(limit=10)).total == 1

        ballast.unlink()
        assert await store.update(job.job_id, publish)
        await add(store)
        assert (await store.page(limit=10)).total == 2


FILE_TOO_LARGE = """
import asyncio, resource, sys
from pathlib import Path
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.errors import Unavailable
from tests.builders import NOW

async def main():
    async with SqliteJobStore.open(Path(sys.argv[1])) as store:
        await store.reserve(["before"], deadline=NOW)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        outcomes = await asyncio.gather(
            *(store.reserve([f"{n}" + "k" * 10_000], deadline=NOW) for n in range(100)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {Unavailable}, outcomes
        assert list(await store.overdue(NOW.replace(year=2030), limit=9)) == ["before"]

asyncio.run(main())
"""


async def test_a_write_that_the_system_refuses_fails_all_that_wait(path):
    done = subprocess.run(
        [sys.executable, "-c", FILE_TOO_LARGE, str(path)],
        cwd=ROOT,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


# Death and return


def run_under_load(path: Path, writes: int) -> dict[str, int]:
    """Start a process that writes, SIGKILL it after so many writes: the newest seq of each job it told of."""
    program = [sys.executable, str(Path(__file__).with_name("sqlite_job_store_child.py")), str(path)]
    told: dict[str, int] = {}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for number, line in enumerate(child.stdout):
            if number == writes:
                child.kill()
            if line.endswith("\n"):
                job_id, seq = line.split()
                told[job_id] = int(seq)
    return told


async def test_a_kill_in_mid_load_loses_nothing_that_returned(path):
    told: dict[str, int] = {}
    for writes in (1, 150, 333, 700):
        told |= run_under_load(path, writes)
    async with SqliteJobStore.open(path) as store:
        for job_id, seq in told.items():
            job = await store.get(job_id)
            log = await store.events(job_id, after=0, limit=100)
            assert job.seq >= seq
            assert [event.seq for event in log] == list(range(1, job.seq + 1))
        listed = await store.page(limit=100_000)
        assert listed.total == len(listed.jobs) >= len(told) > 100


async def test_a_closed_store_opens_as_it_was(path):
    async with SqliteJobStore.open(path) as store:
        accepted = an_accepted_job(images=2)
        options = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))
        job = await add(store, evolve(accepted, job=evolve(accepted.job, options=options)))
        change = await store.update(job.job_id, publish)
        log, epoch = await store.events(job.job_id, after=0, limit=10), store.epoch
    async with SqliteJobStore.open(path) as store:
        assert change is not None
        assert await store.get(job.job_id) == change.job
        assert (await store.events(job.job_id, after=0, limit=10), store.epoch) == (log, epoch)
        await add(store)


async def test_a_copy_of_the_file_is_another_log(path):
    """A restored copy counts on from an older event: its positions must not pass for those given since."""
    async with SqliteJobStore.open(path) as store:
        epoch = store.epoch
    copy = path.with_name("restored.sqlite")
    shutil.copy(path, copy)
    async with SqliteJobStore.open(copy) as store:
        assert store.epoch != epoch


async def test_closing_makes_the_writes_that_wait(path):
    """More of them than one group takes."""
    async with SqliteJobStore.open(path) as store:
        waiting = [asyncio.ensure_future(store.reserve([str(n)], deadline=NOW)) for n in range(800)]
        await until_it_waits(waiting[-1])
    await asyncio.gather(*waiting)
    async with SqliteJobStore.open(path) as store:
        assert len(await store.overdue(NOW.replace(year=2030), limit=1_000)) == 800


async def test_a_closed_store_is_unavailable(path):
    async with SqliteJobStore.open(path) as store:
        job = await add(store)
    for use in (store.get(job.job_id), store.page(limit=1), store.update(job.job_id, publish), store.check()):
        with pytest.raises(Unavailable):
            await use


async def test_a_commit_reaches_the_disk_before_it_returns(path):
    database = open_database(path, "full")
    assert database.writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


# The file


async def test_a_second_gateway_is_refused(store, path):
    with pytest.raises(UnusableJobStore, match="in use by another gateway"):
        async with SqliteJobStore.open(path):
            pass
    second = [sys.executable, str(Path(__file__).with_name("sqlite_job_store_child.py")), str(path)]
    done = subprocess.run(second, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert "in use by another gateway" in done.stderr
    await add(store)


def write_garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 1_000)


def write_foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title)")
    connection.close()


def write_newer(path: Path) -> None:
    open_database(path, "full").close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()


def write_other_tables(path: Path) -> None:
    open_database(path, "full").close()
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE images RENAME COLUMN place TO position")
    connection.close()


def write_damaged(path: Path) -> None:
    open_database(path, "full").close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(30_000))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (write_garbage, "damaged"),
        (write_damaged, "damaged"),
        (write_foreign, "another program"),
        (write_newer, "newer gateway"),
        (write_other_tables, "another development version"),
        (Path.mkdir, "can't be"),
    ],
)
async def test_a_file_that_is_not_ours_is_refused_and_named(path, spoil, reason):
    spoil(path)
    with pytest.raises(UnusableJobStore, match=reason) as refused:
        async with SqliteJobStore.open(path):
            pass
    assert str(path) in str(refused.value)


async def test_a_foreign_file_is_left_as_it_was(path):
    write_foreign(path)
    before = path.read_bytes()
    with pytest.raises(UnusableJobStore):
        async with SqliteJobStore.open(path):
            pass
    assert path.read_bytes() == before


async def test_an_older_file_is_migrated_with_all_it_holds(path):
    async with SqliteJobStore.open(path) as store:
        job = await add(store)
    older = open_database(path, "full")
    migrate(older.writer, [*MIGRATIONS, ["ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 5"]])
    assert older.writer.execute("SELECT job_id, priority FROM jobs").fetchall() == [(job.job_id, 5)]
    assert older.writer.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    older.close()


COLUMNS_OF_JOBS = {1: 12, 2: 13}
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


# Jobs in memory


def test_recent_jobs_are_bounded_by_their_bytes():
    jobs = [a_job(images=3) for _ in range(5)]
    recent = RecentJobs(max_bytes=3 * footprint(jobs[0]))
    recent.committed({job.job_id: KeptJob(n, job) for n, job in enumerate(jobs)})
    assert [recent.get(job.job_id) is not None for job in jobs] == [False, False, True, True, True]


def test_a_recent_job_that_grows_makes_others_go():
    small, grown = a_job(images=2), a_job([an_image(original_filename="x" * 100_000)], job_id="a")
    recent = RecentJobs(max_bytes=100_000)
    before = a_job(1, job_id="a")
    recent.committed({small.job_id: KeptJob(1, small), "a": KeptJob(2, before)})
    assert recent.get(small.job_id) is not None
    recent.committed({"a": KeptJob(2, grown)})
    assert (recent.get(small.job_id), recent.get("a")) == (None, None)
    recent.committed({"a": KeptJob(2, before)})
    assert recent.get("a") is not None


def test_a_job_read_beside_a_commit_is_not_kept():
    recent = RecentJobs()
    old, new = KeptJob(1, an_accepted_job(job_id="a").job), KeptJob(1, a_job(job_id="a", published=1))
    commits = recent.commits
    recent.committed({"a": new})
    recent.was_read(old, commits_before=commits)
    assert recent.get("a") is new


async def test_a_deleted_job_is_not_remembered(store):
    job = await add(store)
    reading = asyncio.ensure_future(store.get(job.job_id))
    await store.delete(job.job_id)
    await asyncio.wait((reading,))
    with pytest.raises(JobNotFound):
        await store.get(job.job_id)

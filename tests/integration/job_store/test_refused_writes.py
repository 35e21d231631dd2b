"""A full disk and a system that refuses a write, below the SQLite job store."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.domain.options import BatchOptions
from gateway.domain.reuse import reused
from gateway.errors import NoRoom
from gateway.ports.reuse import SourceGone
from tests.builders import NOW, an_accepted_job, an_image, an_original, complete, publish
from tests.integration.job_store.stores import ROOT, add, held_writer, until_it_waits


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


async def test_on_a_full_disk_jobs_are_withdrawn_in_one_group_with_writes_that_fail(small_disk):
    """So that their tagged copies can go, but for what others reuse, and make room."""
    async with SqliteJobStore.open(small_disk / "jobs.sqlite") as store:
        source = await add(store, an_accepted_job(images=1))
        completed = await store.update(source.job_id, complete)
        assert completed is not None
        (found,) = (await store.find_analysed([an_original().sha256], BatchOptions())).values()
        await add(store, an_accepted_job([reused(an_image(), found, NOW)]))
        ballast = fill(small_disk)
        async with held_writer(store, source):
            withdrawing = asyncio.ensure_future(store.withdraw([source.job_id]))
            for _ in range(3):  # what is asked behind its own question
                await store.is_shared(found.processed_path)
            await until_it_waits(withdrawing)
            writes = [asyncio.ensure_future(add(store, an_accepted_job(images=100))) for _ in range(20)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {NoRoom}
        assert await withdrawing == {found.processed_path}
        ballast.unlink()
        with pytest.raises(SourceGone):
            await add(store, an_accepted_job([reused(an_image(), found, NOW)]))


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

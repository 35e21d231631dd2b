"""What a SQLite job store is after it was killed, closed or copied."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.domain.options import BatchOptions
from gateway.errors import Unavailable
from gateway.metadata import FieldPolicy, MetadataPolicy
from tests.builders import an_accepted_job, publish
from tests.integration.job_store.stores import ROOT, add


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


async def test_a_closed_store_is_unavailable(path):
    async with SqliteJobStore.open(path) as store:
        job = await add(store)
    for use in (store.get(job.job_id), store.page(limit=1), store.update(job.job_id, publish), store.check()):
        with pytest.raises(Unavailable):
            await use

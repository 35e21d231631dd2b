"""A process under load for test_opening_again.py: prints `<job_id> <seq>` after each write that returned."""

import asyncio
import itertools
import sys
from functools import partial
from pathlib import Path

from gateway.adapters.job_store.sqlite import SqliteJobStore
from tests.builders import NOW, an_accepted_job, complete, publish


async def work(store: SqliteJobStore) -> None:
    for _ in itertools.count():
        accepted = an_accepted_job(images=2)
        job_id = accepted.job.job_id
        await store.reserve([job_id], deadline=NOW)
        await store.add(accepted, reserved=[job_id])
        print(job_id, accepted.job.seq, flush=True)
        for decide in (publish, partial(publish, index=1), complete, partial(complete, index=1)):
            change = await store.update(job_id, decide)
            assert change is not None
            print(job_id, change.job.seq, flush=True)


async def main(path: Path) -> None:
    async with SqliteJobStore.open(path) as store, asyncio.TaskGroup() as tasks:
        for _ in range(16):
            tasks.create_task(work(store))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

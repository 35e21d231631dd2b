"""What a look for downloads costs: jobs are read only where an image of theirs may begin."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from attrs import define

from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.domain.job import Job
from gateway.fetch.hosts import Places
from gateway.jobs.fetching.next_downloads import NextDownloads
from gateway.ports.job_store import JobStore
from tests.builders import a_url_image, an_accepted_job, an_image
from tests.clocks import HandClock


@define(eq=False)
class CountedReads:
    """The jobs of a store, and how often one was asked for."""

    store: SqliteJobStore
    reads: int = 0

    async def get(self, job_id: str) -> Job:
        self.reads += 1
        return await self.store.get(job_id)


@pytest.fixture
async def jobs(tmp_path: Path) -> AsyncIterator[CountedReads]:
    async with SqliteJobStore.open(tmp_path / "jobs.db") as store:
        yield CountedReads(store)


@pytest.fixture
def downloads(jobs: CountedReads) -> NextDownloads:
    return NextDownloads(cast(JobStore, jobs), jobs.store, HandClock(), max_running_jobs=1000, page_size=16)


async def hosts_found(downloads: NextDownloads, *, running: list[str]) -> list[str]:
    """One look, with four places in all and two for a host."""
    return [found.host async for found in downloads.found([], Places(4, 2, running=running))]


async def test_a_job_is_not_read_again_while_all_hosts_that_it_still_wants_are_busy(
    downloads: NextDownloads, jobs: CountedReads
):
    there_already = an_image(1, source_url="http://other.test/b")
    accepted = an_accepted_job([a_url_image(0, source_url="http://busy.test/a"), there_already])
    await jobs.store.add(accepted, reserved=[])
    for _ in range(3):
        assert await hosts_found(downloads, running=["busy.test"] * 2) == []
    assert jobs.reads == 1
    assert await hosts_found(downloads, running=["busy.test"]) == ["busy.test"]


async def test_no_more_jobs_are_read_than_places_are_left(downloads: NextDownloads, jobs: CountedReads):
    for job in range(10):
        images = [a_url_image(0, source_url=f"http://host{job}.test/a")]
        await jobs.store.add(an_accepted_job(images), reserved=[])
    assert await hosts_found(downloads, running=["busy.test"] * 2) == ["host0.test", "host1.test"]
    assert jobs.reads == 2


@pytest.mark.parametrize(("waiting", "is_cut"), [(20, False), (16 * 8 + 1, True)])
async def test_a_look_is_cut_only_where_it_has_not_gone_over_all_jobs(
    downloads: NextDownloads, jobs: CountedReads, waiting: int, is_cut: bool
):
    """Else the looks at a few jobs that wait for a busy host would follow one another without end."""
    for _ in range(waiting):
        images = [a_url_image(0, source_url="http://busy.test/a")]
        await jobs.store.add(an_accepted_job(images), reserved=[])
    assert await hosts_found(downloads, running=["busy.test"] * 2) == []
    assert downloads.is_cut is is_cut


@pytest.mark.parametrize("waiting", [3, 16, 20, 100])
async def test_jobs_of_one_host_take_turns_however_many_wait(
    downloads: NextDownloads, jobs: CountedReads, waiting: int
):
    """Each look finds one place free at their host, and places that no image of theirs may have."""
    job_ids = []
    for _ in range(waiting):
        accepted = an_accepted_job([a_url_image(index, source_url="http://busy.test/a") for index in (0, 1)])
        await jobs.store.add(accepted, reserved=[])
        job_ids.append(accepted.job.job_id)
    served = []
    for _ in range(2 * waiting):
        places = Places(4, 2, running=["busy.test"])
        served += [found.image.job_id async for found in downloads.found([], places)]
    assert served == 2 * job_ids

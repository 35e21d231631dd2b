"""The jobs that the SQLite job store keeps in memory."""

import asyncio

import pytest

from gateway.adapters.job_store.recent import RecentJobs
from gateway.adapters.job_store.rows import KeptJob
from gateway.domain.footprint import footprint
from gateway.ports.job_store import JobNotFound
from tests.builders import a_job, an_accepted_job, an_image
from tests.integration.job_store.stores import add


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

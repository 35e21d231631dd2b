"""The newest state of jobs that somebody asked for, at hand.

One process owns all state, so what the hub announces is the truth: a job kept here is never older than the last
announced change. A change that is announced while the job is being read wins over what was read.
"""

from collections import OrderedDict

from attrs import define, field

from gateway.domain.events import Change
from gateway.domain.footprint import footprint, growth
from gateway.domain.job import Job
from gateway.ports.job_store import JobStore

CAPACITY_BYTES = 24 * 1024 * 1024
"""Beside an equal amount in the job store; mostly the same objects, but in the worst case others."""


@define(eq=False)
class LatestJobs:
    """Jobs by id from memory, else from the store; those last used are kept in at most `capacity_bytes`."""

    _store: JobStore
    capacity_bytes: int = CAPACITY_BYTES
    _kept: OrderedDict[str, Job] = field(factory=OrderedDict)
    _held_bytes: int = 0
    _loading: dict[str, int] = field(factory=dict)
    _deletions: int = 0

    async def get(self, job_id: str) -> Job:
        """The job as last committed. Raises JobNotFound."""
        return self.at_hand(job_id) or await self._load(job_id)

    def at_hand(self, job_id: str) -> Job | None:
        """The job if it is in memory."""
        job = self._kept.get(job_id)
        if job is not None:
            self._kept.move_to_end(job_id)
        return job

    def observe(self, change: Change) -> None:
        """Take a committed change, for the hub to call."""
        job_id = change.job.job_id
        kept = self._kept.get(job_id)
        # What was read may be ahead of what is announced: nobody sees a job go back.
        if (job_id in self._loading) if kept is None else (change.job.seq >= kept.seq):
            self._keep(change.job)

    def forget(self, job_id: str) -> None:
        """The job was deleted."""
        self._deletions += 1
        job = self._kept.pop(job_id, None)
        if job is not None:
            self._held_bytes -= footprint(job)

    async def _load(self, job_id: str) -> Job:
        deletions_before = self._deletions
        self._loading[job_id] = self._loading.get(job_id, 0) + 1
        try:
            read = await self._store.get(job_id)
        finally:
            self._loading[job_id] -= 1
            if not self._loading[job_id]:
                del self._loading[job_id]
        announced = self._kept.get(job_id)
        if announced is not None and announced.seq >= read.seq:
            return announced
        # A deletion meanwhile may have been of this very job: what was read is told, not kept.
        return self._keep(read) if self._deletions == deletions_before else read

    def _keep(self, job: Job) -> Job:
        before = self._kept.get(job.job_id)
        self._held_bytes += growth(before, job) if before else footprint(job)
        self._kept[job.job_id] = job
        self._kept.move_to_end(job.job_id)
        while self._held_bytes > self.capacity_bytes:
            self.forget(next(iter(self._kept)))
        return job

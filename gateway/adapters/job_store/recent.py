"""The jobs that were used last, as committed, for any thread.

Bounded by their bytes, for a job may have one image or a hundred, and an image no words or 16 kB of them.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping

from gateway.adapters.job_store.rows import KeptJob
from gateway.domain.footprint import footprint, growth

MAX_BYTES = 24 * 1024 * 1024
"""Some 15,000 images with a few words each; some 300 with as many words as an image may have, 80 kB each."""


class RecentJobs:
    """A job that it knows is the newest committed one; a job that it does not know may exist nevertheless."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._jobs: OrderedDict[str, KeptJob] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self.commits = 0

    def get(self, job_id: str) -> KeptJob | None:
        with self._lock:
            kept = self._jobs.get(job_id)
            if kept is not None:
                self._jobs.move_to_end(job_id)
            return kept

    def committed(self, jobs: Mapping[str, KeptJob | None]) -> None:
        """What a commit made of these jobs; None: deleted."""
        with self._lock:
            self.commits += 1
            for job_id, kept in jobs.items():
                if kept is None:
                    self._drop(job_id)
                else:
                    self._keep(kept)

    def forget_all(self) -> None:
        with self._lock:
            self.commits += 1
            self._jobs.clear()
            self._bytes = 0

    def was_read(self, kept: KeptJob, *, commits_before: int) -> None:
        """A job as read from the file; not kept when a commit since the read began may have changed it."""
        with self._lock:
            if self.commits == commits_before:
                self._keep(kept)

    def _keep(self, kept: KeptJob) -> None:
        job_id = kept.job.job_id
        before = self._jobs.get(job_id)
        self._bytes += growth(before.job, kept.job) if before else footprint(kept.job)
        self._jobs[job_id] = kept
        self._jobs.move_to_end(job_id)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._jobs)))

    def _drop(self, job_id: str) -> None:
        kept = self._jobs.pop(job_id, None)
        if kept is not None:
            self._bytes -= footprint(kept.job)

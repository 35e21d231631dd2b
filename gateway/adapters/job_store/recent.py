"""The jobs that were used last, as committed, for any thread.

Bounded by the images that they hold together, for a job may have one or a hundred.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping

from gateway.adapters.job_store.rows import KeptJob

MAX_IMAGES = 10_000  # about 1 KB each


class RecentJobs:
    """A job that it knows is the newest committed one; a job that it does not know may exist nevertheless."""

    def __init__(self, max_images: int = MAX_IMAGES) -> None:
        self._max_images = max_images
        self._jobs: OrderedDict[str, KeptJob] = OrderedDict()
        self._images = 0
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
                self._drop(job_id)
                if kept is not None:
                    self._keep(kept)

    def forget_all(self) -> None:
        with self._lock:
            self.commits += 1
            self._jobs.clear()
            self._images = 0

    def was_read(self, kept: KeptJob, *, commits_before: int) -> None:
        """A job as read from the file; not kept when a commit since the read began may have changed it."""
        with self._lock:
            if self.commits == commits_before:
                self._drop(kept.job.job_id)
                self._keep(kept)

    def _keep(self, kept: KeptJob) -> None:
        self._jobs[kept.job.job_id] = kept
        self._images += len(kept.job.images)
        while self._images > self._max_images:
            self._drop(next(iter(self._jobs)))

    def _drop(self, job_id: str) -> None:
        kept = self._jobs.pop(job_id, None)
        if kept is not None:
            self._images -= len(kept.job.images)

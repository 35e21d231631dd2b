"""Jobs of which nothing is reused any more, with their keys, for any thread.

In memory alone: they are about to be removed to make room, and a full disk may have none to note it.
"""

import threading
from collections.abc import Collection, Iterable, Mapping


class WithdrawnJobs:
    """As many as are being removed."""

    def __init__(self) -> None:
        self._jobs: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, jobs: Mapping[str, int]) -> None:
        with self._lock:
            self._jobs.update(jobs)

    def deleted(self, job_ids: Iterable[str]) -> None:
        """These are gone."""
        with self._lock:
            for job_id in job_ids:
                self._jobs.pop(job_id, None)

    @property
    def job_ids(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._jobs)

    @property
    def keys(self) -> Collection[int]:
        with self._lock:
            return tuple(self._jobs.values())

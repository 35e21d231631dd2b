"""From which hosts jobs still want images: so that a job need not be read to see that all of them are busy. Pure."""

from collections import OrderedDict
from collections.abc import Iterable, Set
from typing import Final

from attrs import define, field

MOST: Final = 32_768
"""Hosts, over all jobs: 16 MB at most, when there are thousands of jobs that wait."""


@define(eq=False)
class HostsOfJobs:
    """Those that were learned last. A job's hosts only become fewer, so what was learned once may be too many."""

    _most: int = MOST
    _by_job: OrderedDict[str, frozenset[str]] = field(init=False, factory=OrderedDict)
    _count: int = field(init=False, default=0)

    def of(self, job_id: str) -> Set[str] | None:
        """None for a job that nothing was learned of, or that was forgotten."""
        return self._by_job.get(job_id)

    def learn(self, job_id: str, hosts: Iterable[str]) -> None:
        self._forget(job_id)
        self._by_job[job_id] = learned = frozenset(hosts)
        self._count += _size(learned)
        while self._count > self._most:
            self._forget(next(iter(self._by_job)))

    def _forget(self, job_id: str) -> None:
        self._count -= _size(self._by_job.pop(job_id, None))


def _size(hosts: Set[str] | None) -> int:
    """A job that wants nothing any more is as large as one with a host."""
    return 0 if hosts is None else max(1, len(hosts))

"""The one way in which jobs change: commit, then tell.

Whoever changes a job goes through here, so no committed change is left untold, also if its caller is cancelled, and
none is told before it is committed. `work` rings when there may be something to fetch or to publish.
"""

from collections.abc import Callable, Sequence

from attrs import define, field

from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.jobs.work import Work
from gateway.ports.job_store import Companion, JobStore


@define(eq=False)
class Ledger:
    """Commits changes of jobs and announces them."""

    _store: JobStore
    _hub: Hub
    _latest: LatestJobs
    work: Work = field(factory=Work)

    async def add(
        self, accepted: Change, *, reserved: Sequence[str], companions: Sequence[Companion] = ()
    ) -> None:
        """As JobStore.add."""
        await self._store.add(accepted, reserved=reserved, companions=companions, on_commit=self._tell)

    async def change(
        self, job_id: str, decide: Callable[[Job], Change | None], *, companions: Sequence[Companion] = ()
    ) -> Change | None:
        """As JobStore.update."""
        return await self._store.update(job_id, decide, companions=companions, on_commit=self._tell)

    async def delete(self, job_id: str) -> None:
        """As JobStore.delete."""
        await self._store.delete(job_id, on_commit=lambda: self._tell_deleted(job_id))

    def _tell(self, change: Change) -> None:
        self._hub.announce(change)
        self.work.ring()

    def _tell_deleted(self, job_id: str) -> None:
        self._latest.forget(job_id)
        self._hub.announce_deleted(job_id)

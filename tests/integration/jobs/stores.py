"""The real job store, with something that happens just before each change of a job, or just after it."""

from collections.abc import Callable, Sequence

from attrs import define

from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.errors import Unavailable
from gateway.ports.job_store import Companion, JobStore, OnCommit, unheard


@define(eq=False)
class Watched:
    """What `before` raises keeps the change from the store."""

    jobs: JobStore

    async def update(
        self,
        job_id: str,
        decide: Callable[[Job], Change | None],
        *,
        companions: Sequence[Companion] = (),
        on_commit: OnCommit = unheard,
    ) -> Change | None:
        await self.before(job_id)
        change = await self.jobs.update(job_id, decide, companions=companions, on_commit=on_commit)
        self.after()
        return change

    async def before(self, job_id: str) -> None:
        """Of the change of that job."""

    def after(self) -> None:
        """Of a change that was made."""


def down() -> Unavailable:
    """What a store says that can write nothing."""
    return Unavailable("The disk is full of trouble.")

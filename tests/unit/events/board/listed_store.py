"""A job store in memory that has a list of its jobs, too."""

from attrs import define

from gateway.ports.job_store import JobPage, JobSummary
from tests.unit.events.honest_store import HonestStore


@define(eq=False)
class ListedStore(HonestStore):
    """The list, newest first, is that of the moment in which it was asked for, whenever the answer comes."""

    reads_of_pages: int = 0

    async def page(self, *, limit: int) -> JobPage:
        self.reads_of_pages += 1
        newest = list(map(JobSummary.of, reversed(self.jobs.values())))
        await self._answer()
        return JobPage(tuple(newest[:limit]), len(newest))

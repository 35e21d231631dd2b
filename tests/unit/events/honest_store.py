"""A job store in memory whose reads have seen it, and answer when they are let go."""

import asyncio
from collections import Counter

from attrs import define, field

from gateway.domain.events import Change, Event
from gateway.domain.job import Job
from gateway.ports.job_store import JobNotFound


@define(eq=False)
class HonestStore:
    """`shown` is the number of the newest event of each job that a reader of its state has seen."""

    epoch: str = "e1"
    jobs: dict[str, Job] = field(factory=dict)
    logs: dict[str, list[Event]] = field(factory=dict)
    holds: bool = False
    shown: Counter[str] = field(factory=Counter)
    reads_of_logs: int = 0
    _held: list[asyncio.Event] = field(factory=list)

    def commit(self, change: Change) -> None:
        job_id = change.job.job_id
        self.jobs[job_id] = change.job
        self.logs.setdefault(job_id, []).extend(change.events)

    def delete(self, job_id: str) -> None:
        del self.jobs[job_id]
        del self.logs[job_id]

    def let_go(self, place: int = 0) -> None:
        """One of the reads that are held."""
        if self._held:
            self._held.pop(place % len(self._held)).set()

    def let_all_go(self) -> None:
        self.holds = False
        while self._held:
            self.let_go()

    async def get(self, job_id: str) -> Job:
        job = self.jobs.get(job_id)
        await self._answer()
        if job is None:
            raise JobNotFound("There is no such job.")
        self.shown[job_id] = max(self.shown[job_id], job.seq)
        return job

    async def events(self, job_id: str, *, after: int, limit: int) -> tuple[Event, ...]:
        self.reads_of_logs += 1
        log = self.logs.get(job_id)
        found = None if log is None else tuple(event for event in log if event.seq > after)[:limit]
        await self._answer()
        if found is None:
            raise JobNotFound("There is no such job.")
        return found

    async def _answer(self) -> None:
        if self.holds:
            answer = asyncio.Event()
            self._held.append(answer)
            await answer.wait()
        else:
            await asyncio.sleep(0)

"""Commits what the broker has confirmed: of each job together, and while one commit is under way the next gathers.

So a burst of publishes costs few commits and a lone one waits for nobody. What a crash keeps from being committed is
published again.
"""

import asyncio

from attrs import define, field

from gateway.domain.attempt import AttemptName
from gateway.domain.transitions import published
from gateway.jobs.ledger import Ledger
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound


@define(eq=False)
class Confirms:
    """The confirmed attempts that are not committed yet."""

    _ledger: Ledger
    _clock: Clock
    _waiting: dict[str, list[AttemptName]] = field(init=False, factory=dict)
    _committing: "asyncio.Task[None] | None" = field(init=False, default=None)

    def add(self, job_id: str, name: AttemptName) -> None:
        """The broker has it."""
        self._waiting.setdefault(job_id, []).append(name)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all(), name="commit-confirms")

    async def committed(self) -> None:
        """Returns once all that were added are committed. Raises Unavailable, NoRoom."""
        if (committing := self._committing) is None:
            return
        try:
            await committing
        finally:
            self._committing = None

    async def _commit_all(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting, {}
            await asyncio.gather(*(self._commit(job_id, names) for job_id, names in together.items()))
        self._committing = None

    async def _commit(self, job_id: str, names: list[AttemptName]) -> None:
        now = self._clock.now()
        try:
            await self._ledger.change(job_id, lambda job: published(job, names, now))
        except JobNotFound:
            return  # deleted meanwhile

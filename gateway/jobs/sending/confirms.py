"""Commits what the broker has confirmed: of each job together, and while one commit is under way the next gathers.

So a burst of publishes costs few commits and a lone one waits for nobody. What can't be committed, or is kept from it
by a crash, is published again.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from attrs import define, field

from gateway.domain.attempt import AttemptName
from gateway.domain.transitions import published
from gateway.errors import GatewayError
from gateway.jobs.ledger import Ledger
from gateway.jobs.side_by_side import for_each
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 100  # jobs whose commit is awaited


@define(eq=False)
class Confirms:
    """The confirmed attempts that are not committed yet."""

    _ledger: Ledger
    _clock: Clock
    _waiting: dict[str, list[AttemptName]] = field(init=False, factory=dict)
    _committing: "asyncio.Task[None] | None" = field(init=False, default=None)

    @asynccontextmanager
    async def all_committed(self) -> AsyncIterator[None]:
        """What is added within is committed when this ends. Raises Unavailable, NoRoom.

        Also when it ends by an error or a cancel: then that goes on, and a store that is down does not hide it.
        """
        try:
            yield
            await self._committed()
        except BaseException:
            with suppress(GatewayError):
                await self._committed()
            raise
        finally:
            self._give_up_the_rest()

    def add(self, job_id: str, name: AttemptName) -> None:
        """The broker has it."""
        self._waiting.setdefault(job_id, []).append(name)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all(), name="commit-confirms")

    async def _committed(self) -> None:
        if self._committing is not None:
            await asyncio.shield(self._committing)

    def _give_up_the_rest(self) -> None:
        if self._committing is not None:
            self._committing.cancel()
        self._committing = None
        self._waiting.clear()

    async def _commit_all(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting, {}
            await for_each(together.items(), self._commit, at_once=_AT_ONCE)
        self._committing = None

    async def _commit(self, confirmed: tuple[str, Sequence[AttemptName]]) -> None:
        (job_id, names), now = confirmed, self._clock.now()
        with suppress(JobNotFound):  # deleted meanwhile
            await self._ledger.change(job_id, lambda job: published(job, names, now))
            # One line for those of a job: a line each costs more than the publish.
            log.debug("images published", job_id=job_id, trace_ids=[str(name) for name in names])

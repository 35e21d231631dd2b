"""What lay in a broker that forgets when the process before this one ended: published again, and not for ever.

Where that process died (a clean stop takes its publishes back), each image that lay there has one interruption more,
for one of them may have been why: a poisonous image, at which even the process dies that should be safe from it. From
its third interruption on an image is a suspect: it goes alone, before all others, so that from then on nobody else is
interrupted by it. At `max_interruptions` it fails.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog
from attrs import define, field

from gateway.domain.events import Change
from gateway.domain.job import Failure, Job
from gateway.domain.schedule import Waiting, each
from gateway.domain.transitions import fail
from gateway.errors import GatewayError
from gateway.failure_codes import INTERRUPTED
from gateway.jobs.ledger import Ledger
from gateway.jobs.settings import JobsSettings
from gateway.jobs.side_by_side import for_each
from gateway.ports.backlog import Backlog
from gateway.ports.broker import Broker
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound

log = structlog.get_logger(__name__)

SUSPECT_FROM: Final = 3
"""Interruptions. A process may be killed once or twice for reasons of its own, with a window of images in work."""
TAKE_BACK_S: Final = 0.5
"""Of a stop's ten seconds; a disk that works takes some milliseconds."""
_AT_ONCE: Final = 32


@define(eq=False)
class Recall:
    """Of one start; its `suspects` are to go first and alone, in this order."""

    _ledger: Ledger
    _backlog: Backlog
    _broker: Broker
    _clock: Clock
    _settings: JobsSettings
    suspects: list[Waiting] = field(init=False, factory=list)
    _is_made: bool = field(init=False, default=False)

    async def ensure_made(self) -> None:
        """Once, before anything is published. Raises Unavailable, NoRoom; then it is to be made again."""
        if not self._is_made and not self._broker.remembers:
            await self._make()
        self._is_made = True

    async def _make(self) -> None:
        if forgotten := await self._backlog.forget_publishes():
            log.info("open attempts are published again", images=forgotten)
        hopeless = each(await self._backlog.interrupted(self._settings.max_interruptions))
        await for_each(hopeless, self._give_up, at_once=_AT_ONCE)
        self.suspects = each(await self._backlog.interrupted(SUSPECT_FROM))
        if self.suspects:
            log.warning("images that were in work when the process died go alone", images=len(self.suspects))

    async def _give_up(self, image: Waiting) -> None:
        now = self._clock.now()
        with suppress(JobNotFound):
            change = await self._ledger.change(image.job_id, lambda job: _given_up(job, image.index, now))
            if change is not None:
                trace_id = change.job.images[image.index].trace_id
                log.warning(
                    "image failed: the process died with it too often", job_id=image.job_id, trace_id=trace_id
                )


async def take_back(backlog: Backlog) -> None:
    """At a clean stop: what lies in a broker that forgets was not interrupted. A store that is down keeps it so."""
    try:
        async with asyncio.timeout(TAKE_BACK_S):
            await backlog.take_back_publishes()
    except (GatewayError, TimeoutError) as error:
        log.warning("open attempts will count as interrupted", reason=str(error))


def _given_up(job: Job, index: int, now: datetime) -> Change | None:
    times = job.images[index].interruptions
    text = f"the gateway's process died {times} times with this image in work, so it is not tried again"
    return fail(job, index, Failure(INTERRUPTED, text), now)

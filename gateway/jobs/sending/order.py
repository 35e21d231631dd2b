"""Which comes first for an image: its publish, or writing down that it is published.

A broker that remembers gets the message first: at a crash between the two it is sent twice, never lost. One that
forgets with the process gets it last: an image at which the process dies must be found to have been in work.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Final, Protocol

import structlog
from attrs import define, field

from gateway.domain.attempt import AttemptName
from gateway.domain.events import Change
from gateway.domain.job import Image, Job, Stage
from gateway.domain.schedule import Waiting
from gateway.domain.transitions import published, unpublished
from gateway.errors import GatewayError
from gateway.jobs.ledger import Ledger
from gateway.jobs.sending.confirms import Confirms
from gateway.jobs.sending.uploads import Uploads
from gateway.jobs.side_by_side import for_each
from gateway.pacing import pause_after
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound, JobStore

log = structlog.get_logger(__name__)

AT_ONCE: Final = 500
"""Publishes whose confirm is awaited: the more, the fewer commits for them."""


class Sending(Protocol):
    async def send(self, plan: Sequence[Waiting]) -> None:
        """Publish these images, in their order, and write it down.

        What needs no publish any more is left out. Raises Unavailable or NoRoom when some could not be; they wait.
        """


@define(eq=False)
class PublishFirst:
    """A `Sending` for a broker that remembers.

    After trouble the store must commit again before anything is published: one that answers and commits nothing, on
    a full disk, would have the same images sent at every try.
    """

    _jobs: JobStore
    _uploads: Uploads
    _confirms: Confirms
    _was_in_trouble: bool = field(init=False, default=False)

    async def send(self, plan: Sequence[Waiting]) -> None:
        if self._was_in_trouble:
            await self._jobs.check()
        self._was_in_trouble = True
        async with self._confirms.all_committed():
            await for_each(plan, self._publish, at_once=AT_ONCE)
        self._was_in_trouble = False

    async def _publish(self, waiting: Waiting) -> None:
        try:
            job = await self._jobs.get(waiting.job_id)
        except JobNotFound:
            return
        image = job.images[waiting.index]
        if image.stage is Stage.PUBLISH:
            await self._uploads.publish(job, image)
            self._confirms.add(job.job_id, _newest_attempt(image))


@define(eq=False)
class CommitFirst:
    """A `Sending` for a broker that forgets: the try is committed before it is made, and taken back if it fails."""

    _ledger: Ledger
    _uploads: Uploads
    _clock: Clock

    async def send(self, plan: Sequence[Waiting]) -> None:
        written: dict[Waiting, Job] = {}
        trouble: GatewayError | None = None
        try:
            await for_each(_by_job(plan), partial(self._write_down, written), at_once=AT_ONCE)
        except GatewayError as error:
            trouble = error  # of some jobs; what is written down of others must be published
        tries = [(written[waiting], waiting.index) for waiting in plan if waiting in written]
        await for_each(tries, self._publish, at_once=AT_ONCE)
        if trouble is not None:
            raise trouble

    async def _write_down(self, written: dict[Waiting, Job], waiting: tuple[str, Sequence[int]]) -> None:
        (job_id, indices), now = waiting, self._clock.now()
        due: list[Image] = []

        def decide(job: Job) -> Change | None:
            due[:] = [job.images[index] for index in indices if job.images[index].stage is Stage.PUBLISH]
            return published(job, map(_newest_attempt, due), now)

        with suppress(JobNotFound):
            change = await self._ledger.change(job_id, decide)
            if change is not None:
                written |= {Waiting(job_id, image.index): change.job for image in due}

    async def _publish(self, one_try: tuple[Job, int]) -> None:
        job, index = one_try
        try:
            await self._uploads.publish(job, job.images[index])
        except GatewayError:
            await self._take_back(job.job_id, _newest_attempt(job.images[index]))
            raise

    async def _take_back(self, job_id: str, name: AttemptName) -> None:
        """For as long as that takes: nobody else knows that there is no message."""
        for failures in count(1):
            try:
                with suppress(JobNotFound):
                    await self._ledger.change(job_id, lambda job: unpublished(job, name))
            except GatewayError as error:
                log.warning("a publish that failed is not taken back yet", job_id=job_id, reason=str(error))
                await asyncio.sleep(pause_after(failures))
            else:
                return


def _newest_attempt(image: Image) -> AttemptName:
    return AttemptName(image.trace_id, image.attempt)


def _by_job(plan: Sequence[Waiting]) -> Sequence[tuple[str, Sequence[int]]]:
    indices: dict[str, list[int]] = {}
    for waiting in plan:
        indices.setdefault(waiting.job_id, []).append(waiting.index)
    return list(indices.items())

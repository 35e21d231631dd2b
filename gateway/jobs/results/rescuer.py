"""Finds images whose result does not come: the services lose messages when a broker dies, and nobody else notices.

At its deadline, in working time of the pipeline, an image is first looked for where its attempts would have stored
it. If it lies there it is completed; else it is sent again until its attempts are used up. Whatever the pipeline does,
an image of a job that was accepted long ago ends, once the gateway has been up for a deadline's time: after days in
which the machine was off, what lay over gets its chance first.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from attrs import define, field

from gateway.domain.attempt import AttemptName
from gateway.domain.events import Change
from gateway.domain.job import Failure, Image, Job, Stage, Status
from gateway.domain.schedule import Waiting, each
from gateway.domain.transitions import attempt_completed, attempt_lost, fail
from gateway.jobs.ledger import Ledger
from gateway.jobs.pipeline import Pipeline
from gateway.jobs.processed import ProcessedImages, leftover_paths
from gateway.jobs.settings import JobsSettings
from gateway.jobs.side_by_side import for_each
from gateway.pacing import keep_doing
from gateway.ports.backlog import Backlog
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound, JobStore
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_A_ROUND = 500
_AT_ONCE = 32
_LONGEST_ROUND = timedelta(minutes=2)
"""Of a process that is up, beside the pause between two; more was a sleep of the machine, or somebody set the clock."""


@define(eq=False)
class Rescuer:
    """A Service."""

    _ledger: Ledger
    _jobs: JobStore
    _backlog: Backlog
    _processed: ProcessedImages
    _pipeline: Pipeline
    _clock: Clock
    _settings: JobsSettings
    _metrics: Metrics
    name: str = "rescuer"
    _looked_at: datetime | None = field(init=False, default=None)
    _up_since: datetime | None = field(init=False, default=None)

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self.run_once, pause_s=self._settings.watch_every_s)

    async def run_once(self) -> None:
        """Settle what is due now, so many images of each kind at most. Raises Unavailable when a store is down."""
        await self._rescue_overdue()
        if self._has_been_up_long():
            await self._give_up_old()

    async def _rescue_overdue(self) -> None:
        moment = self._pipeline.overdue_before(self._settings.result_timeout_s)
        if moment is not None:
            overdue = await self._backlog.without_result(moment, limit=_A_ROUND)
            await for_each(each(overdue), lambda image: self._rescue(image, moment), at_once=_AT_ONCE)

    def _has_been_up_long(self) -> bool:
        now = self._clock.now()
        longest = timedelta(seconds=self._settings.watch_every_s) + _LONGEST_ROUND
        if self._looked_at is None or not timedelta() <= now - self._looked_at <= longest:
            self._up_since = now
        self._looked_at = now
        up_since = self._up_since or now
        return (now - up_since).total_seconds() >= self._settings.result_timeout_s

    async def _give_up_old(self) -> None:
        moment = self._clock.now() - timedelta(seconds=self._settings.give_up_s)
        old = await self._backlog.accepted_before(moment, limit=_A_ROUND)
        await for_each(each(old), self._give_up, at_once=_AT_ONCE)

    async def _rescue(self, waiting: Waiting, moment: datetime) -> None:
        image = await self._image_of(waiting)
        if image is None or not _is_overdue(image, moment):
            return
        name = AttemptName(image.trace_id, image.attempt)
        failure, policy, now = self._no_result(image), self._settings.attempts, self._clock.now()
        await self._complete_or(waiting, image, lambda job: attempt_lost(job, name, failure, policy, now))

    async def _give_up(self, waiting: Waiting) -> None:
        image = await self._image_of(waiting)
        if image is None or image.status.is_final:
            return
        failure, now = self._given_up(image), self._clock.now()
        await self._complete_or(waiting, image, lambda job: fail(job, waiting.index, failure, now))

    async def _image_of(self, waiting: Waiting) -> Image | None:
        try:
            return (await self._jobs.get(waiting.job_id)).images[waiting.index]
        except JobNotFound:
            return None

    async def _complete_or(
        self, waiting: Waiting, image: Image, otherwise: Callable[[Job], Change | None]
    ) -> None:
        """Complete the image if the object of an attempt lies in the store; else decide otherwise."""
        found = await self._processed.find(image)
        now = self._clock.now()
        try:
            change = await self._ledger.change(
                waiting.job_id,
                lambda job: (
                    attempt_completed(job, found.name, found.path, found.words, now)
                    if found
                    else otherwise(job)
                ),
            )
        except JobNotFound:
            return
        if change is not None:
            image = change.job.images[waiting.index]
            self._tell(waiting, image)
            if image.status.is_final:  # what can't be removed now goes with the job
                await self._processed.remove(leftover_paths(image))

    def _tell(self, waiting: Waiting, image: Image) -> None:
        how, happened = {
            Status.COMPLETED: ("found", "image found without its result"),
            Status.FAILED: ("failed", "image failed without a result"),
        }.get(image.status, ("again", "image is sent again: no result came"))
        self._metrics.jobs.images_rescued.of(how=how).add()
        log.warning(
            happened,
            job_id=waiting.job_id,
            trace_id=image.trace_id,
            attempt=image.attempt,
            queues=self._pipeline.depths_text(),
        )

    def _no_result(self, image: Image) -> Failure:
        seconds = f"{self._settings.result_timeout_s:g} s"
        return self._failure(f"no result came within {seconds}, after {_attempts(image.attempt)}")

    def _given_up(self, image: Image) -> Failure:
        hours = f"{self._settings.give_up_s / 3600:.3g} hours"
        given_up = f"given up {hours} after it was accepted, while it waited for"
        if image.stage is Stage.FETCH:
            return Failure("download_failed", f"{given_up} its download")
        awaited = "its place in the pipeline" if image.stage is Stage.PUBLISH else "its result"
        return self._failure(f"{given_up} {awaited}, at {_attempts(image.attempt)}")

    def _failure(self, text: str) -> Failure:
        return Failure("no_result", f"{text} ({self._pipeline.depths_text()})")


def _is_overdue(image: Image, moment: datetime) -> bool:
    """Still: since the question was asked, a new attempt may have been published."""
    return image.stage is Stage.RESULT and image.published_at is not None and image.published_at < moment


def _attempts(number: int) -> str:
    return "1 attempt" if number == 1 else f"{number} attempts"

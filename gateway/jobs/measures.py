"""Committed changes as metrics: what a job's log tells is counted, nothing else.

An observer of the hub, so each change counts once, when it is committed. What no event tells (a publish, a download)
is counted by the service that does it; what waits is counted in the job store.
"""

from datetime import datetime
from typing import Final

from attrs import define

from gateway.domain.events import Change, EventType
from gateway.domain.job import Image, Job, Stage, Status
from gateway.pacing import keep_doing
from gateway.ports.backlog import Backlog
from gateway.telemetry.instruments import OTHER
from gateway.telemetry.metrics import JobMetrics

CENSUS_EVERY_S: Final = 15.0
"""It goes over all open images: some 10 ms of a reader for each 100,000."""

_STAGES: Final = {Stage.FETCH: "download", Stage.PUBLISH: "waiting", Stage.RESULT: "pipeline"}


@define(eq=False)
class Measures:
    """An Observer."""

    _metrics: JobMetrics

    def observe(self, change: Change) -> None:
        for event in change.events:
            if event.seq == 1:
                self._accepted(change.job)
            if event.type is EventType.JOB_COMPLETE:
                self._metrics.jobs_ended.of(status=event.status).add()
            elif event.image is not None:
                self._ended(event.image, change.job.created_at)

    def _accepted(self, job: Job) -> None:
        self._metrics.jobs_accepted.add()
        sent = [image for image in job.images if image.source_url is None]
        self._metrics.images_accepted.of(source="sent").add(len(sent))
        self._metrics.images_accepted.of(source="url").add(len(job.images) - len(sent))
        stored = sum(image.original.size for image in sent if image.original is not None)
        self._metrics.received_bytes.of(source="sent").add(stored)
        self._metrics.tell_job_created(job.job_id, len(job.images))

    def _ended(self, image: Image, accepted_at: datetime) -> None:
        self._metrics.images_ended.of(status=image.status).add()
        if image.reused_from is not None:
            self._metrics.images_reused.add()
        if image.status is Status.FAILED:
            code = image.failure.code if image.failure is not None else OTHER
            self._metrics.image_failures.of(code=code).add()
        if image.status is Status.CANCELLED or image.start_time is None:
            return  # neither given up nor refused at the door: the times of work are meant
        self._spent("all", accepted_at, image.end_time)
        self._spent("pipeline", image.published_at, image.end_time)

    def _spent(self, stage: str, since: datetime | None, until: datetime | None) -> None:
        """Never less than nothing, though a clock may be set back in between."""
        if since is not None and until is not None:
            seconds = (until - since).total_seconds()
            self._metrics.image_stage_seconds.of(stage=stage).observe(max(0.0, seconds))


@define(eq=False)
class Census:
    """A Service: counts the images that have not ended, now and then."""

    _backlog: Backlog
    _metrics: JobMetrics
    name: str = "census"

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self.run_once, pause_s=CENSUS_EVERY_S)

    async def run_once(self) -> None:
        """Count. Raises Unavailable when the store is down."""
        for stage, images in (await self._backlog.open_images()).items():
            self._metrics.images_open.of(stage=_STAGES[stage]).set(images)

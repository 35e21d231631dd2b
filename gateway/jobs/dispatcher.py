"""Sends images into the pipeline: publishes each with a confirm, fairly between jobs, within a window.

The job store is the outbox: what is stored and not confirmed is published, also after a crash between the two. A
message may so be published twice; the pipeline is at least once anyway.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from attrs import define, field

from gateway.domain.attempt import AttemptName
from gateway.domain.job import Image, Job, Original, Stage
from gateway.domain.options import BatchOptions
from gateway.domain.schedule import Waiting, take_turns
from gateway.jobs.confirms import Confirms
from gateway.jobs.ledger import Ledger
from gateway.jobs.pipeline import Pipeline
from gateway.jobs.processed import message_name
from gateway.jobs.recall import Recall
from gateway.jobs.settings import JobsSettings
from gateway.jobs.side_by_side import for_each
from gateway.messages import METADATA_POLICY, ImageUpload, encode, encode_policy
from gateway.pacing import keep_doing
from gateway.ports.backlog import Backlog
from gateway.ports.broker import Broker, Queue
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound, JobStore
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_AT_ONCE = 100  # publishes whose confirm is awaited


@define(eq=False)
class Dispatcher:
    """A Service: keeps at most the pipeline's `window` of our images in the broker, the rest in the job store."""

    _ledger: Ledger
    _jobs: JobStore
    _backlog: Backlog
    _broker: Broker
    _clock: Clock
    _settings: JobsSettings
    _pipeline: Pipeline
    _metrics: Metrics
    name: str = "dispatcher"
    _bell: asyncio.Event = field(init=False)
    _confirms: Confirms = field(init=False)
    _recall: Recall = field(init=False)
    _is_one_alone: bool = field(init=False, default=False)
    """Of the suspects: until it has left the broker, nothing else goes there."""
    _last_served: str | None = None

    @_bell.default
    def _at_work(self) -> asyncio.Event:
        return self._ledger.work.bell()

    @_confirms.default
    def _nothing_confirmed(self) -> Confirms:
        return Confirms(self._ledger, self._clock)

    @_recall.default
    def _recall_of_this_start(self) -> Recall:
        return Recall(self._ledger, self._backlog, self._broker, self._clock, self._settings)

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self.run_once, bell=self._bell, pause_s=self._settings.poll_s)

    async def run_once(self) -> None:
        """Fill the window with what waits. Raises Unavailable when the broker or the store is down."""
        await self._recall.ensure_made()
        await self._pipeline.ensure_looked()
        in_flight = await self._backlog.in_flight()
        if in_flight and self._is_one_alone:
            return
        self._is_one_alone = bool(self._recall.suspects)
        if self._is_one_alone:
            await self._send_a_suspect()
        else:
            await self._fill(self._pipeline.window - in_flight)

    async def _send_a_suspect(self) -> None:
        await self._send(self._recall.suspects[:1])
        del self._recall.suspects[0]

    async def _fill(self, room: int) -> None:
        if room <= 0:
            return
        waiting = await self._backlog.to_publish(
            self._clock.now(),
            limit=room,
            max_running=self._settings.max_running_jobs,
            after=self._last_served,
        )
        plan = take_turns(waiting, room)
        if plan:
            self._last_served = plan[-1].job_id
        await self._send(plan)

    async def _send(self, plan: Sequence[Waiting]) -> None:
        async with self._confirms.all_committed():
            await for_each(plan, self._publish, at_once=_AT_ONCE)

    async def _publish(self, waiting: Waiting) -> None:
        try:
            job = await self._jobs.get(waiting.job_id)
        except JobNotFound:
            return
        image = job.images[waiting.index]
        if image.original is None or image.stage is not Stage.PUBLISH:
            return
        name = AttemptName(image.trace_id, image.attempt)
        message = self._message(job.job_id, name, image.original, message_name(image, image.original))
        with self._metrics.broker.publish_seconds.timed():
            await self._broker.publish(Queue.IMAGE_UPLOAD, encode(message), _headers(job.options))
        self._confirms.add(job.job_id, name)
        self._measure(job, image)

    def _measure(self, job: Job, image: Image) -> None:
        is_first = image.attempt == 1
        self._metrics.jobs.attempts_sent.of(number="first" if is_first else "again").add()
        if is_first and image.source_url is None:
            waited = (self._clock.now() - job.created_at).total_seconds()
            self._metrics.jobs.image_stage_seconds.of(stage="waiting").observe(max(0.0, waited))

    def _message(self, job_id: str, name: AttemptName, original: Original, filename: str) -> ImageUpload:
        return ImageUpload(
            timestamp=self._clock.now(),
            trace_id=str(name),
            group_id=job_id,
            telegram_username=f"batch_{job_id}",
            original_filename=filename,
            original_path=original.key,
            telegram_id=0,
        )


def _headers(options: BatchOptions) -> Mapping[str, object]:
    """What the body has no field for."""
    return {} if options.metadata is None else {METADATA_POLICY: encode_policy(options.metadata)}

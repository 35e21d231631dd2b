"""The message by which an image begins its way: `image_upload`, for the newest attempt."""

from collections.abc import Mapping

from attrs import define, field

from gateway.domain.attempt import AttemptName
from gateway.domain.job import Image, Job, Original
from gateway.domain.options import BatchOptions
from gateway.jobs.processed import message_name
from gateway.messages import METADATA_POLICY, ImageUpload, encode, encode_policy
from gateway.ports.broker import Broker, Queue
from gateway.ports.clock import Clock
from gateway.telemetry.instruments import Counter, Histogram
from gateway.telemetry.metrics import Metrics


@define(eq=False)
class Uploads:
    """Publishes and measures them."""

    _broker: Broker
    _clock: Clock
    _metrics: Metrics
    _sent_first: Counter = field(init=False)
    _sent_again: Counter = field(init=False)
    _waiting_seconds: Histogram = field(init=False)

    def __attrs_post_init__(self) -> None:
        jobs = self._metrics.jobs
        self._sent_first = jobs.attempts_sent.of(number="first")
        self._sent_again = jobs.attempts_sent.of(number="again")
        self._waiting_seconds = jobs.image_stage_seconds.of(stage="waiting")

    async def publish(self, job: Job, image: Image) -> None:
        """Returns once the broker has confirmed it. Raises Unavailable, Unroutable. The image has its original."""
        if image.original is None:
            raise ValueError("an image without its original")
        message = self._message(job.job_id, image, image.original)
        with self._metrics.broker.publish_seconds.timed():
            await self._broker.publish(Queue.IMAGE_UPLOAD, encode(message), _headers(job.options))
        self._measure(job, image)

    def _message(self, job_id: str, image: Image, original: Original) -> ImageUpload:
        return ImageUpload(
            timestamp=self._clock.now(),
            trace_id=str(AttemptName(image.trace_id, image.attempt)),
            group_id=job_id,
            telegram_username=f"batch_{job_id}",
            original_filename=message_name(image, original),
            original_path=original.key,
            telegram_id=0,
        )

    def _measure(self, job: Job, image: Image) -> None:
        if image.attempt > 1:
            self._sent_again.add()
            return
        self._sent_first.add()
        if image.source_url is None:
            waited = (self._clock.now() - job.created_at).total_seconds()
            self._waiting_seconds.observe(max(0.0, waited))


def _headers(options: BatchOptions) -> Mapping[str, object]:
    """What the body has no field for."""
    return {} if options.metadata is None else {METADATA_POLICY: encode_policy(options.metadata)}

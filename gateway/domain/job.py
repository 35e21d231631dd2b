"""A job and its images, as values.

    image:  pending ──first publish, or first download try──> processing ──> completed | failed | cancelled
    job:    pending ──its first image is processing──> processing ──every image has ended──> completed | failed
                                                                                             | cancelled

Counts, progress and status of a job are computed from its images and stored nowhere else, so they can't drift.
How one value becomes the next is decided in `transitions.py`.
"""

from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Self

from attrs import frozen

from gateway.domain.options import BatchOptions
from gateway.metadata import Metadata


class Status(StrEnum):
    """Where an image or a job stands. Final means final: nothing leaves the last three."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (Status.PENDING, Status.PROCESSING)


class Outcome(StrEnum):
    """How an ended job went, in one word. PARTIAL: some images completed, others failed."""

    ALL_COMPLETED = "all_completed"
    PARTIAL = "partial"
    ALL_FAILED = "all_failed"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    """What an image waits for; who moves it on.

    FETCH: its download (fetcher). PUBLISH: its place in the broker (dispatcher). RESULT: its result (collector).
    ENDED: nothing.
    """

    FETCH = "fetch"
    PUBLISH = "publish"
    RESULT = "result"
    ENDED = "ended"


@frozen
class Original:
    """An image's bytes as the object store holds them, in the bucket of originals."""

    key: str
    media_type: str
    size: int
    sha256: str


@frozen
class Failure:
    """Why an image failed: a stable word for programs, a text for people with nothing internal in it."""

    code: str
    error: str


@frozen
class ImageRef:
    """Names an image among those of all jobs."""

    job_id: str
    index: int


@frozen(kw_only=True)
class Image:
    """One member of a job.

    `original_filename` is the client's own name; `trace_id` names the first attempt and never changes; `attempt`
    is the number of the newest one and `published_at` when the broker confirmed it (None: it has not yet).
    `tries` counts the downloads begun, `interruptions` how often the process died while the image lay in a broker
    that forgot it. Nothing is done for the image before `not_before`. `reused_from` is the image that was analysed in
    its place, whose `processed_path` and `metadata` it has.
    """

    index: int
    original_filename: str
    trace_id: str
    source_url: str | None = None
    original: Original | None = None
    status: Status = Status.PENDING
    tries: int = 0
    attempt: int = 1
    interruptions: int = 0
    published_at: datetime | None = None
    not_before: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    processed_path: str | None = None
    metadata: Metadata | None = None
    failure: Failure | None = None
    reused_from: ImageRef | None = None

    @property
    def stage(self) -> Stage:
        if self.status.is_final:
            return Stage.ENDED
        if self.original is None:
            return Stage.FETCH
        return Stage.PUBLISH if self.published_at is None else Stage.RESULT


@frozen
class Counts:
    """Images of a job by what became of them; the four always add up to the total."""

    completed: int
    failed: int
    cancelled: int
    open: int

    def without(self, ended: Image) -> Self:
        """As they were before that image ended."""
        status = ended.status
        return type(self)(
            self.completed - (status is Status.COMPLETED),
            self.failed - (status is Status.FAILED),
            self.cancelled - (status is Status.CANCELLED),
            self.open + 1,
        )

    @property
    def total(self) -> int:
        return self.ended + self.open

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.cancelled

    @property
    def progress(self) -> float:
        """Percentage of images that have ended: 0.0 to 100.0, exactly 100.0 when all have."""
        return self.ended / self.total * 100 if self.open else 100.0


def outcome_of(status: Status, counts: Counts) -> Outcome | None:
    """Of a job that stands so; None while it has not ended."""
    if not status.is_final:
        return None
    if status is Status.CANCELLED:
        return Outcome.CANCELLED
    if counts.completed == counts.total:
        return Outcome.ALL_COMPLETED
    return Outcome.PARTIAL if counts.completed else Outcome.ALL_FAILED


@frozen(kw_only=True)
class Job:
    """What we keep of a batch. `seq` is the number of its newest event, `retry_of` the job whose images it tries again.

    Each status has its time: pending since `created_at`, processing since `started_at`, ended at `completed_at`,
    because it was cancelled at `cancelled_at`.
    """

    job_id: str
    created_at: datetime
    updated_at: datetime
    images: tuple[Image, ...]
    options: BatchOptions = BatchOptions()
    seq: int = 0
    cancelled_at: datetime | None = None
    completed_at: datetime | None = None
    retry_of: str | None = None

    @property
    def started_at(self) -> datetime | None:
        """When the first of its images began."""
        return min(filter(None, [image.start_time for image in self.images]), default=None)

    @property
    def outcome(self) -> Outcome | None:
        """How it went, once it has ended."""
        return outcome_of(self.status, self.counts)

    @cached_property
    def counts(self) -> Counts:
        count = [image.status for image in self.images].count  # in C, which a Counter is not
        ended = (count(Status.COMPLETED), count(Status.FAILED), count(Status.CANCELLED))
        return Counts(*ended, open=len(self.images) - sum(ended))

    @property
    def status(self) -> Status:
        return self.status_at(self.counts)

    def status_at(self, counts: Counts) -> Status:
        """The job's status when its images stood so, on their way to where they are."""
        if counts.open:
            started = any(image.start_time is not None for image in self.images)
            return Status.PROCESSING if started else Status.PENDING
        if self.cancelled_at is not None:
            return Status.CANCELLED
        return Status.COMPLETED if counts.completed else Status.FAILED

    def image_of(self, trace_id: str) -> Image | None:
        """The image whose first attempt is called so."""
        return next((image for image in self.images if image.trace_id == trace_id), None)

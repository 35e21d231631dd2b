"""The gateway's answers as typed values. Fields that a newer gateway adds are left aside."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

FINAL = frozenset({"completed", "failed", "cancelled"})


@frozen
class Metadata:
    """What was found in an image and written into it; `writer` is who wrote the description."""

    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    writer: str = ""


@frozen(kw_only=True)
class Submitted:
    """The gateway has taken the batch for good; `retry_of` is the job whose images it tries again, if it does."""

    job_id: str
    status: str
    created_at: datetime
    message: str
    retry_of: str = ""


@frozen
class ImageRef:
    """Names an image among those of all jobs."""

    job_id: str
    index: int


@frozen(kw_only=True)
class Image:
    """One image of a job. `error` and `code` say why it failed; `job_id` is told where images of all jobs are.

    `reused_from` is the image of the same bytes that was analysed in its place. `id` is the position of its end in the
    job's log, where results are asked for.
    """

    index: int
    original_filename: str
    status: str
    trace_id: str = ""
    processed_path: str = ""
    sha256: str = ""
    error: str = ""
    code: str = ""
    job_id: str = ""
    id: str = ""
    metadata: Metadata | None = None
    reused_from: ImageRef | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


@frozen
class MetadataPolicy:
    """What becomes of words that images have already: `replace`, `append`, `keep`; empty: as the gateway is set."""

    title: str = ""
    description: str = ""
    keywords: str = ""


@frozen
class Options:
    """What was asked for with a batch."""

    metadata: MetadataPolicy = MetadataPolicy()


@frozen(kw_only=True)
class Job:
    """A job; in a list of jobs `images` and `options` are empty.

    `outcome`, once it has ended, is all_completed, partial, all_failed or cancelled. `id` is the position of its newest
    event, from which it can be followed; empty in a list, and by an older gateway.
    """

    job_id: str
    status: str
    total_images: int
    completed: int
    failed: int
    progress: float
    created_at: datetime
    updated_at: datetime
    id: str = ""
    cancelled: int = 0
    outcome: str = ""
    retry_of: str = ""
    started_at: datetime | None = None
    cancelled_at: datetime | None = None
    completed_at: datetime | None = None
    images: tuple[Image, ...] = ()
    options: Options = Options()

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


@frozen(kw_only=True)
class Event:
    """One piece of news. `type` is progress, image_complete (with `image`) or job_complete, the last one.

    The last one has the job's `outcome`. The first one of a connection tells whether it goes on behind the event that
    was named (`resumed`); if not, it is the present state, with all `images` where they were asked for.
    """

    id: str
    type: str
    job_id: str
    status: str
    progress: float
    completed: int
    failed: int
    total_images: int
    timestamp: datetime
    cancelled: int = 0
    outcome: str = ""
    image: Image | None = None
    images: tuple[Image, ...] = ()
    resumed: bool | None = None

    @property
    def is_last(self) -> bool:
        return self.type == "job_complete"

    @property
    def ended(self) -> int:
        """How many images have ended, in whatever way."""
        return self.completed + self.failed + self.cancelled


@frozen(kw_only=True)
class JobList:
    """The newest jobs as they are now, without their images, and how many there are in all.

    `id` is the position that this is true for.
    """

    id: str
    jobs: tuple[Job, ...]
    total: int


@frozen(kw_only=True)
class JobChanged:
    """A job was added or has changed; it is as in a list."""

    id: str
    job: Job


@frozen(kw_only=True)
class JobDeleted:
    """A job is no longer kept."""

    id: str
    job_id: str


JobsNews = JobList | JobChanged | JobDeleted


@frozen(kw_only=True)
class DeadLetter:
    """A message by which an attempt of an image ended; `body` is the message. Without `index` its job is gone."""

    id: str
    job_id: str
    trace_id: str
    attempt: int
    queue: str
    reason: str
    code: str
    count: int
    at: datetime
    body: Mapping[str, Any]
    index: int | None = None


@frozen(kw_only=True)
class SentAgain:
    """An image that is still open, and the attempt that it waits for now."""

    job_id: str
    index: int
    trace_id: str
    attempt: int


def read_dead_letter(answer: Mapping[str, Any]) -> DeadLetter:
    return DeadLetter(**_known(DeadLetter, answer) | {"at": _moment(answer["at"])})


def read_requeued(answer: Mapping[str, Any]) -> "SentAgain | Submitted":
    """A new job where the image had failed."""
    return SentAgain(**_known(SentAgain, answer)) if "attempt" in answer else read_submitted(answer)


def read_submitted(answer: Mapping[str, Any]) -> Submitted:
    return Submitted(**_known(Submitted, answer) | {"created_at": _moment(answer["created_at"])})


def read_job(answer: Mapping[str, Any]) -> Job:
    images = tuple(map(read_image, answer.get("images", ())))
    return Job(
        **_known(Job, answer)
        | _moments(answer, "created_at", "started_at", "updated_at", "cancelled_at", "completed_at")
        | {"images": images, "options": read_options(answer.get("options", {}))}
    )


def read_options(options: Mapping[str, Any]) -> Options:
    return Options(MetadataPolicy(**_known(MetadataPolicy, options.get("metadata", {}))))


def read_image(answer: Mapping[str, Any]) -> Image:
    words = answer.get("metadata")
    metadata = read_metadata(words) if words else None
    source = answer.get("reused_from")
    reused_from = ImageRef(**_known(ImageRef, source)) if source else None
    return Image(
        **_known(Image, answer)
        | _moments(answer, "start_time", "end_time")
        | {"metadata": metadata, "reused_from": reused_from}
    )


def read_metadata(words: Mapping[str, Any]) -> Metadata:
    return Metadata(
        title=words.get("title") or "",
        description=words.get("description") or "",
        keywords=tuple(words.get("keywords") or ()),
        writer=words.get("writer") or "",
    )


def read_event(frame: Mapping[str, Any]) -> Event:
    image = read_image(frame["image"]) if frame.get("image") else None
    images = tuple(map(read_image, frame.get("images", ())))
    return Event(**_known(Event, frame) | _moments(frame, "timestamp") | {"image": image, "images": images})


def read_job_list(frame: Mapping[str, Any]) -> JobList:
    return JobList(id=frame["id"], jobs=tuple(map(read_job, frame["jobs"])), total=frame["total"])


def read_job_changed(frame: Mapping[str, Any]) -> JobChanged:
    return JobChanged(id=frame["id"], job=read_job(frame["job"]))


def read_job_deleted(frame: Mapping[str, Any]) -> JobDeleted:
    return JobDeleted(id=frame["id"], job_id=frame["job_id"])


def _known(cls: Any, answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in cls.__annotations__ if name in answer}


def _moments(answer: Mapping[str, Any], *names: str) -> dict[str, datetime]:
    return {name: _moment(answer[name]) for name in names if answer.get(name)}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)

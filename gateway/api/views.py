"""Jobs, images and events as JSON, exactly as the contract shows them: a field with no value is left out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import orjson
from attrs import asdict

from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Event, EventType
from gateway.domain.job import Image, Job, outcome_of
from gateway.domain.options import BatchOptions
from gateway.domain.receipt import Receipt
from gateway.events.wire import Opening
from gateway.jobs.dead_letters.requeue import SentAgain
from gateway.metadata import Metadata
from gateway.ports.dead_letters import DeadLetterPage
from gateway.ports.image_search import FoundImage, ImagePage
from gateway.ports.job_store import JobSummary

Fields = Mapping[str, object]


def to_json(fields: Fields) -> bytes:
    """Times in RFC 3339 with `Z`."""
    # A copy, for what orjson returns has kilobytes of room behind it for as long as it is kept.
    return bytes(memoryview(orjson.dumps(fields, option=orjson.OPT_UTC_Z)))


def image_fields(image: Image) -> Fields:
    metadata, failure = image.metadata, image.failure
    return _present(
        {
            "index": image.index,
            "original_filename": image.original_filename,
            "status": image.status,
            "trace_id": image.trace_id,
            "processed_path": image.processed_path,
            "start_time": image.start_time,
            "end_time": image.end_time,
            "error": failure and failure.error,
            "code": failure and failure.code,
            "metadata": metadata and _metadata_fields(metadata),
            "sha256": image.original and image.original.sha256,
            "reused_from": image.reused_from and asdict(image.reused_from),
        }
    )


def _metadata_fields(metadata: Metadata) -> Fields:
    """Texts that were not found are empty; a writer whom nobody named is left out."""
    return _present(
        {
            "title": metadata.title,
            "description": metadata.description,
            "keywords": metadata.keywords,
            "writer": metadata.writer or None,
        }
    )


def found_fields(found: FoundImage) -> Fields:
    """An image of a search, with the job that it is of."""
    return {"job_id": found.job_id, **image_fields(found.image)}


def found_page_fields(page: ImagePage) -> Fields:
    images = list(map(found_fields, page.images))
    return _present({"images": images, "total": page.total, "next_cursor": page.next_cursor})


def job_fields(
    job: Job | JobSummary, images: Sequence[object] | None = None, position: str | None = None
) -> Fields:
    """A job, with its images and its newest event's position if they are given; a summary has no options."""
    counts = job.counts
    return _present(
        {
            "job_id": job.job_id,
            "status": job.status,
            "outcome": job.outcome,
            "total_images": counts.total,
            "completed": counts.completed,
            "failed": counts.failed,
            "cancelled": counts.cancelled or None,
            "progress": counts.progress,
            "images": images,
            "options": _options_fields(job.options) if isinstance(job, Job) else None,
            "retry_of": job.retry_of,
            "created_at": job.created_at,
            "started_at": job.started_at,
            "updated_at": job.updated_at,
            "cancelled_at": job.cancelled_at,
            "completed_at": job.completed_at,
            "id": position,
        }
    )


def _options_fields(options: BatchOptions) -> Fields | None:
    """As the client gave them; None where nothing was said."""
    return None if options.metadata is None else {"metadata": _present(asdict(options.metadata))}


def created_fields(receipt: Receipt) -> Fields:
    """What answers a new batch, also one of images that are tried again."""
    total = receipt.images
    return _present(
        {
            "job_id": receipt.job_id,
            "status": receipt.status,
            "created_at": receipt.created_at,
            "message": f"Batch job created with {total} image{'' if total == 1 else 's'}",
            "retry_of": receipt.retry_of,
        }
    )


def page_fields(jobs: Iterable[object], total: int, next_cursor: str | None) -> Fields:
    return _present({"jobs": list(jobs), "total": total, "next_cursor": next_cursor})


def dead_letter_fields(letter: DeadLetter) -> Fields:
    """The message's body is shown as what it is, JSON."""
    return _present(
        {
            "id": letter.dead_letter_id,
            "job_id": letter.job_id,
            "index": letter.index,
            "trace_id": letter.trace_id,
            "attempt": letter.attempt,
            "queue": letter.queue,
            "reason": letter.reason,
            "code": letter.code,
            "count": letter.count,
            "at": letter.at,
            "body": orjson.Fragment(letter.body),
        }
    )


def dead_letter_page_fields(page: DeadLetterPage) -> Fields:
    letters = list(map(dead_letter_fields, page.letters))
    return _present({"dead_letters": letters, "total": page.total, "next_cursor": page.next_cursor})


def sent_again_fields(again: SentAgain) -> Fields:
    """The image, and the attempt that it waits for."""
    return {
        "job_id": again.job_id,
        "index": again.index,
        "trace_id": again.name.trace_id,
        "attempt": again.name.number,
    }


def event_fields(job_id: str, event: Event, position: str) -> dict[str, object]:
    counts = event.counts
    return _present(
        {
            "type": event.type,
            "job_id": job_id,
            "status": event.status,
            "outcome": outcome_of(event.status, counts) if event.type is EventType.JOB_COMPLETE else None,
            "progress": counts.progress,
            "completed": counts.completed,
            "failed": counts.failed,
            "cancelled": counts.cancelled or None,
            "total_images": counts.total,
            "timestamp": event.at,
            "id": position,
            "image": event.image and image_fields(event.image),
        }
    )


def opening_fields(job_id: str, opening: Opening, position: str, heartbeat_s: float) -> Fields:
    """The first message of a subscription."""
    images = opening.job and list(map(image_fields, opening.job.images))
    first = {"resumed": opening.resumed, "heartbeat_s": heartbeat_s, "images": images}
    return event_fields(job_id, opening.event, position) | _present(first)


def heartbeat_fields(job_id: str, now: datetime) -> Fields:
    """What tells a subscriber of the job that the gateway is there."""
    return {"type": "heartbeat", "job_id": job_id, "timestamp": now}


def result_fields(image: Image, position: str) -> Fields:
    """An image that has ended, and where the log tells of it."""
    return {"id": position, **image_fields(image)}


def _present(fields: Fields) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}

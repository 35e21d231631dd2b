"""Builders of jobs and images for tests: say what matters, the rest is a sensible default.

Jobs are brought to their state by the domain's own transitions, so they are jobs that can exist.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import evolve

from gateway.domain import transitions
from gateway.domain.attempt import AttemptName, new_trace_id
from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Change
from gateway.domain.job import Failure, Image, ImageRef, Job, Original, Status
from gateway.domain.job_id import new_job_id
from gateway.domain.reuse import Analysed, reused
from gateway.domain.transitions import AttemptEnd
from gateway.metadata import Metadata

NOW = datetime(2025, 11, 18, 10, 30, tzinfo=UTC)


def an_image(index: int = 0, **changes: Any) -> Image:
    """An image whose original is stored and that waits for its place in the broker."""
    trace_id = changes.pop("trace_id", None) or new_trace_id("b")
    original = Original(f"{trace_id}/original.jpg", "image/jpeg", 52_000, "9f" * 32)
    image = Image(
        index=index, original_filename=f"photo{index + 1}.jpg", trace_id=trace_id, original=original
    )
    return evolve(image, **changes)


def a_url_image(index: int = 0, **changes: Any) -> Image:
    """An image that waits for its download."""
    url = f"https://example.com/photo{index + 1}.jpg"
    return an_image(index, **{"original": None, "source_url": url, **changes})


def a_refused_image(index: int = 0, **changes: Any) -> Image:
    """An image that an intake found to be bad, as `accept` takes it."""
    refused = {
        "original": None,
        "status": Status.FAILED,
        "failure": a_failure("not_an_image"),
        "end_time": NOW,
    }
    return an_image(index, **{**refused, **changes})


def an_original(sha256: str = "9f" * 32) -> Original:
    """The bytes of some image, of that content."""
    return Original(f"{new_trace_id('b')}/original.jpg", "image/jpeg", 52_000, sha256)


def an_analysed_image(job_id: str | None = None) -> Analysed:
    """What an image of that job, or of some job, lends to others of its content."""
    return Analysed(ImageRef(job_id or new_job_id(NOW), 7), "b-1/harbour.jpg", some_metadata())


def a_reused_image(index: int = 0, *, of: str | None = None) -> Image:
    """An image whose content was analysed before, in that job, as `accept` takes it."""
    return reused(an_image(index), an_analysed_image(of), NOW)


def a_failure(code: str = "analysis_failed", error: str = "The analyzer could not read it.") -> Failure:
    return Failure(code, error)


def some_metadata() -> Metadata:
    return Metadata("Harbour", "Boats at dawn, “still” water", ("boat", "dawn", "Übersee"))


def an_accepted_job(
    images: int | Sequence[Image] = 3, *, job_id: str | None = None, now: datetime = NOW
) -> Change:
    """A new job with its first events, ready to be added to a job store."""
    members = [an_image(index) for index in range(images)] if isinstance(images, int) else images
    return transitions.accept(job_id or new_job_id(now), members, now)


def a_job(
    images: int | Sequence[Image] = 3,
    *,
    published: int = 0,
    completed: int = 0,
    failed: int = 0,
    cancelled: bool = False,
    job_id: str | None = None,
    now: datetime = NOW,
) -> Job:
    """A job whose first images are completed, the next ones failed, the next ones in the broker, the rest new.

    `cancelled` then cancels what is still open.
    """
    job = an_accepted_job(images, job_id=job_id, now=now).job
    for image in job.images[: completed + failed + published]:
        job = publish(job, image.index, now=now).job
    for image in job.images[:completed]:
        job = complete(job, image.index, now=now).job
    for image in job.images[completed : completed + failed]:
        job = after(transitions.fail(job, image.index, a_failure(), now)).job
    return after(transitions.cancel(job, now)).job if cancelled else job


def a_dead_letter(job: Job | None = None, index: int = 0, **changes: Any) -> DeadLetter:
    """Of the newest attempt of an image, or of one whose job is gone."""
    image = job.images[index] if job else an_image(index)
    name = AttemptName(image.trace_id, image.attempt)
    letter = DeadLetter(
        dead_letter_id=str(name),
        job_id=job.job_id if job else new_job_id(NOW),
        index=index if job else None,
        trace_id=name.trace_id,
        attempt=name.number,
        queue="image_upload",
        reason="It could not be decoded: „groß“.",
        code="analysis_failed",
        count=1,
        at=NOW,
        body=f'{{"trace_id": "{name}", "original_filename": "Übersee.jpg"}}',
    )
    return evolve(letter, **changes)


def attempt_of(job: Job, index: int = 0, number: int | None = None) -> AttemptName:
    """The newest attempt of an image, or another one of it."""
    image = job.images[index]
    return AttemptName(image.trace_id, number or image.attempt)


def publish(job: Job, index: int = 0, *, now: datetime = NOW) -> Change:
    """The image's newest attempt is in the broker."""
    return after(transitions.published(job, [attempt_of(job, index)], now))


def complete(job: Job, index: int = 0, *, now: datetime = NOW) -> Change:
    """The image is tagged."""
    name = attempt_of(job, index)
    path = f"{name}/{job.images[index].original_filename}"
    return after(transitions.attempt_completed(job, name, path, some_metadata(), now))


def attempt_failed(job: Job, name: AttemptName, failure: Failure, now: datetime) -> Change | None:
    """What an answer of `failed` makes of the job."""
    change, _ = transitions.attempts_ended(job, [AttemptEnd(name, now, failure=failure)])
    return change


def after(change: Change | None) -> Change:
    """The change, which must not be None."""
    assert change is not None
    return change

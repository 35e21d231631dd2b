"""Steps of a job's life that its tests take: what comes of an attempt, five minutes after the job."""

from datetime import timedelta

from gateway.domain.events import Change, EventType
from gateway.domain.job import Job
from gateway.domain.transitions import (
    AttemptPolicy,
    attempt_completed,
    attempt_lost,
    attempt_refused,
    attempt_rejected,
)
from tests.builders import NOW, a_failure, a_job, after, attempt_failed, attempt_of, publish, some_metadata

LATER = NOW + timedelta(minutes=5)
POLICY = AttemptPolicy(max_attempts=3, pause_s=2.0)


def kinds(change: Change) -> list[EventType]:
    return [event.type for event in change.events]


def completed(job: Job, number: int = 1, index: int = 0) -> Change | None:
    return attempt_completed(job, attempt_of(job, index, number), "a/b.jpg", some_metadata(), LATER)


def failed(job: Job, number: int = 1, index: int = 0) -> Change | None:
    return attempt_failed(job, attempt_of(job, index, number), a_failure(), LATER)


def rejected(job: Job, number: int = 1, index: int = 0) -> Change | None:
    return attempt_rejected(job, attempt_of(job, index, number), a_failure(), POLICY, LATER)


def refused(job: Job, number: int = 1, index: int = 0) -> Change | None:
    return attempt_refused(job, attempt_of(job, index, number), a_failure("analysis_refused"), LATER)


def lost(job: Job, number: int = 1, index: int = 0) -> Change | None:
    return attempt_lost(job, attempt_of(job, index, number), a_failure("no_result"), POLICY, LATER)


def at_attempt(number: int) -> Job:
    """A job of two whose first image was rejected until this attempt, which is in the broker."""
    job = a_job(images=2, published=1)
    for earlier in range(1, number):
        job = publish(after(rejected(job, earlier)).job).job
    return job

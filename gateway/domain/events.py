"""The log of a job: one event for each committed change that a subscriber can see.

An event carries the state after it (counts, status, for an image's end the image), so that a message can be made
of it alone. Its position, `epoch:seq`, names it for good: `seq` counts from 1 within the job, `epoch` names the
job store that counted, so that a position from a store that was replaced is recognised and not mistaken.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Self

from attrs import evolve, frozen

from gateway.domain.job import Counts, Image, Job, Status

_POSITION = re.compile(r"([0-9a-z]{1,32}):(0|[1-9][0-9]{0,17})")


class EventType(StrEnum):
    """`image_complete`: an image reached a final state. `job_complete`: the last event of a job."""

    PROGRESS = "progress"
    IMAGE_COMPLETE = "image_complete"
    JOB_COMPLETE = "job_complete"


@frozen(kw_only=True)
class Event:
    seq: int
    type: EventType
    at: datetime
    status: Status
    counts: Counts
    image: Image | None = None


@frozen
class StreamPosition:
    """Where a subscriber stands in a job's log."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The position that the text names, or None when it is malformed."""
        match = _POSITION.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None


@frozen
class Change:
    """A job after a decision, with the events that tell of it; all of it is committed, or nothing.

    Without events the change is one that no view shows (a further try, say).
    """

    job: Job
    events: tuple[Event, ...] = ()


def snapshot_event(job: Job) -> Event:
    """The present state of the job."""
    return Event(
        seq=job.seq, type=EventType.PROGRESS, at=job.updated_at, status=job.status, counts=job.counts
    )


def state_after(event: Event) -> Event:
    """The job as that event left it, and nothing of what it told."""
    return evolve(event, type=EventType.PROGRESS, image=None)


def state_before(job: Job) -> Event:
    """The job as it was before its first event: nothing has happened yet."""
    counts = Counts(completed=0, failed=0, cancelled=0, open=len(job.images))
    return Event(seq=0, type=EventType.PROGRESS, at=job.created_at, status=Status.PENDING, counts=counts)

"""Jobs and their logs: two small ports, one transaction. Every write returns only when it is durable.

An adapter may fulfil them by one object, together with Backlog, Reservations, ImageSearch, AnalysedImages,
DeadLetterStore, Answers and Leases.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, Self

from attrs import frozen

from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Change, Event
from gateway.domain.job import Counts, Job, Outcome, Status, outcome_of
from gateway.domain.receipt import Answer
from gateway.errors import BadInput, NotFound


class JobNotFound(NotFound):
    """No such job, or its time is over."""

    default_code = "job_not_found"


class BadCursor(BadInput):
    """A page's cursor that this store did not give."""

    default_code = "bad_cursor"


@frozen(kw_only=True)
class JobSummary:
    """A job in a list, without its images."""

    job_id: str
    status: Status
    counts: Counts
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    cancelled_at: datetime | None = None
    completed_at: datetime | None = None
    retry_of: str | None = None
    seq: int = 0
    """The number of its newest event."""

    @classmethod
    def of(cls, job: Job) -> Self:
        """That job, as a list has it."""
        return cls(
            job_id=job.job_id,
            status=job.status,
            counts=job.counts,
            created_at=job.created_at,
            updated_at=job.updated_at,
            started_at=job.started_at,
            cancelled_at=job.cancelled_at,
            completed_at=job.completed_at,
            retry_of=job.retry_of,
            seq=job.seq,
        )

    @property
    def outcome(self) -> Outcome | None:
        """How it went, once it has ended."""
        return outcome_of(self.status, self.counts)


@frozen
class TakenLetter:
    """A kept dead letter that is taken away, for another attempt is made of it."""

    dead_letter_id: str


Companion = DeadLetter | TakenLetter | Answer
"""What is committed together with a change of a job, or not at all: a letter that is kept, or taken away; an answer."""


@frozen
class JobPage:
    """Jobs newest first; `total` counts all that match; `next_cursor` is None on the last page."""

    jobs: tuple[JobSummary, ...]
    total: int
    next_cursor: str | None = None


OnCommit = Callable[[Change], None]
"""Is called in the event loop with what was committed, before the write returns, and also if its caller is cancelled
meanwhile: in the order of the commits. It must not block."""


def unheard(_: Change) -> None:
    """For who does not ask."""


class JobStore(Protocol):
    """Jobs by id. All methods raise Unavailable when the store is down, NoRoom when its disk is full."""

    @property
    def warnings(self) -> Sequence[str]:
        """What makes a commit worth less than promised where the jobs lie: a line each, for readyz; no question."""

    async def add(
        self,
        accepted: Change,
        *,
        reserved: Sequence[str],
        companions: Sequence[Companion] = (),
        on_commit: OnCommit = unheard,
    ) -> None:
        """Commit a new job with its first events, and end the reservations it used, in one transaction.

        Raises, with nothing committed: Conflict when a reservation is gone (overdue and cleaned), for its object is
        gone too, or when the job that it tries again is retired, JobNotFound when that one is gone; SourceGone when
        an image reuses one whose job is withdrawn, retired or gone; AlreadyAnswered when the key of an Answer among
        the companions has one that has not expired; DeadLetterNotFound.
        """

    async def update(
        self,
        job_id: str,
        decide: Callable[[Job], Change | None],
        *,
        companions: Sequence[Companion] = (),
        on_commit: OnCommit = unheard,
    ) -> Change | None:
        """Read the job, let `decide` (pure, not async) say what it becomes, commit job and events as one.

        Decisions on one job follow one another. Returns what was committed, None when the job did not change; the
        companions are committed in both cases. Raises, with nothing changed: JobNotFound, SourceGone, AlreadyAnswered,
        DeadLetterNotFound; what `decide` raises.
        """

    async def get(self, job_id: str) -> Job:
        """The job as committed. Raises JobNotFound."""

    async def page(self, *, limit: int, cursor: str | None = None, status: Status | None = None) -> JobPage:
        """A page of jobs, newest first. Raises BadCursor."""

    async def retire(self, job_id: str) -> frozenset[str]:
        """Commit that the job is about to be removed: from now on it can't be tried again.

        Returns the keys of those originals of it that other jobs, not retired, work on too. Raises JobNotFound.
        """

    async def delete(self, job_id: str, *, on_commit: Callable[[], None] = lambda: None) -> None:
        """Forget the job, its log and its dead letters; one that is not there is fine. `on_commit` as OnCommit."""

    async def check(self) -> str:
        """Ask the store whether it works: a line for readyz. Raises Unavailable, NoRoom."""


class EventLog(Protocol):
    """The committed events of each job, in order and without gaps."""

    @property
    def epoch(self) -> str:
        """Names this log: another one (a new or restored store) has another epoch. [0-9a-z], at most 32."""

    async def events(self, job_id: str, *, after: int, limit: int) -> tuple[Event, ...]:
        """The events after that sequence number, oldest first. Raises JobNotFound."""

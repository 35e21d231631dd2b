"""Jobs, their logs, what is left to do, and what requests may have put: four small ports, one transaction.

An adapter may fulfil all of them by one object. Every write returns only when it is durable.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen

from gateway.domain.events import Change, Event
from gateway.domain.job import Counts, Job, Stage, Status
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
    completed_at: datetime | None = None


@frozen
class JobPage:
    """Jobs newest first; `total` counts all that match; `next_cursor` is None on the last page."""

    jobs: tuple[JobSummary, ...]
    total: int
    next_cursor: str | None = None


class JobStore(Protocol):
    """Jobs by id. All methods raise Unavailable when the store is down, NoRoom when its disk is full."""

    async def add(self, accepted: Change, *, reserved: Sequence[str]) -> None:
        """Commit a new job with its first events, and end the reservations it used, in one transaction.

        Raises Conflict when one of them is gone (overdue and cleaned): its object is gone too.
        """

    async def update(self, job_id: str, decide: Callable[[Job], Change | None]) -> Change | None:
        """Read the job, let `decide` (pure, not async) say what it becomes, commit job and events as one.

        Decisions on one job follow one another. Returns what was committed, None when nothing changed.
        Raises JobNotFound; what `decide` raises, with nothing changed.
        """

    async def get(self, job_id: str) -> Job:
        """The job as committed. Raises JobNotFound."""

    async def page(self, *, limit: int, cursor: str | None = None, status: Status | None = None) -> JobPage:
        """A page of jobs, newest first. Raises BadCursor."""

    async def delete(self, job_id: str) -> None:
        """Forget the job and its log; one that is not there is fine."""

    async def check(self) -> str:
        """Ask the store whether it works: a line for readyz. Raises Unavailable, NoRoom."""


class EventLog(Protocol):
    """The committed events of each job, in order and without gaps."""

    @property
    def epoch(self) -> str:
        """Names this log: another one (a new or restored store) has another epoch. [0-9a-z], at most 32."""

    async def events(self, job_id: str, *, after: int, limit: int) -> tuple[Event, ...]:
        """The events after that sequence number, oldest first. Raises JobNotFound."""


class Backlog(Protocol):
    """What is left to do, over all jobs; the store itself is the outbox. Images are told by job, as indices."""

    async def to_fetch(
        self, now: datetime, *, limit: int, max_running: int, after: str | None = None
    ) -> Mapping[str, Sequence[int]]:
        """Images that wait for a download and whose time has come.

        Jobs in the order of their commits, beginning behind the job `after` and going round, so that who asks with
        the last one served lets all take turns. At most `limit` jobs with at most `limit` images each. Of jobs that
        are pending the oldest, and only so many that with them not more than `max_running` are processing.
        """

    async def to_publish(
        self, now: datetime, *, limit: int, max_running: int, after: str | None = None
    ) -> Mapping[str, Sequence[int]]:
        """Images that wait for their place in the broker, likewise."""

    async def in_flight(self) -> int:
        """Images whose newest attempt is in the broker, without a result yet."""

    async def open_images(self) -> Mapping[Stage, int]:
        """How many images have not ended, by what they wait for. It goes over them all: to be asked now and then."""

    async def without_result(self, published_before: datetime, *, limit: int) -> Mapping[str, Sequence[int]]:
        """Images whose newest attempt was published before then and has no result: the `limit` oldest."""

    async def accepted_before(self, moment: datetime, *, limit: int) -> Mapping[str, Sequence[int]]:
        """Images, at most `limit`, that have not ended, of jobs accepted before then."""

    async def forget_publishes(self) -> int:
        """Take every open attempt as unpublished, for a broker that forgot them; returns how many."""

    async def ended_before(self, moment: datetime, *, limit: int) -> Sequence[str]:
        """Ids of jobs that ended before then, oldest first."""


class Reservations(Protocol):
    """Trace ids under which originals may be put: committed before any is, ended by the job's commit.

    What is left of one after a crash, and past its deadline, is the cleaner's.
    """

    async def reserve(self, trace_ids: Sequence[str], *, deadline: datetime) -> None:
        """Commit that originals may be put under these."""

    async def release(self, trace_ids: Sequence[str]) -> None:
        """End them: nothing lies under them any more. Ones that are not there are fine."""

    async def overdue(self, now: datetime, *, limit: int) -> Sequence[str]:
        """Those past their deadline, the most overdue first; claimed ones are."""

    async def claim(self, trace_ids: Sequence[str]) -> Sequence[str]:
        """Those that still stand; from now on no job can use them, so that their objects can be removed.

        One that a job's commit has ended meanwhile is not among them: its object is that job's.
        """

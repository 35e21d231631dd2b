"""The changes of all jobs, merged by job: the newest of each has a place, and a number of this process's life.

A job that changes ten thousand times holds one place. What it looks like is kept only as long as somebody is to be
told; a place is a few numbers otherwise.
"""

from collections import OrderedDict
from typing import Final

from attrs import define, field

from gateway.domain.job import Job
from gateway.ports.job_store import JobSummary

MOST_PLACES: Final = 4096


@define(eq=False)
class Place:
    """The newest change of a job: the `seq`th of all; it shows the job as its event `job_seq` left it.

    `state` is what is still to be written, `message` what was; without both the job is to be looked at.
    """

    job_id: str
    seq: int = 0
    job_seq: int = 0
    is_deleted: bool = False
    state: Job | None = None
    message: bytes | None = None

    @property
    def is_known(self) -> bool:
        """Whether it can be written without a look at the job."""
        return self.is_deleted or self.state is not None or self.message is not None

    def show(self, job_seq: int, state: Job | None) -> None:
        self.job_seq, self.state, self.message = job_seq, state, None


@define(eq=False)
class Places:
    """`newest` is the number of the newest change; who knows of none after `forgotten` can't go on any more."""

    capacity: int = MOST_PLACES
    most_shown_ahead: int = MOST_PLACES
    """More than any list shows."""
    newest: int = 0
    forgotten: int = 0
    _by_job: OrderedDict[str, Place] = field(factory=OrderedDict)
    """In the order of their numbers."""
    _shown_ahead: OrderedDict[str, int] = field(factory=OrderedDict)
    """Of jobs without a place: the newest event that somebody was shown before it was announced, perhaps."""

    def change(self, job: Job, *, keep_state: bool) -> bool:
        """A state was announced; False if nobody is to be told, for a newer one was shown already."""
        place = self._by_job.get(job.job_id)
        if place is None:
            if job.seq < self._shown_ahead.get(job.job_id, 0):
                return False
            place = Place(job.job_id)
        elif job.seq < place.job_seq:
            return False
        place.show(job.seq, job if keep_state else None)
        self._put(place)
        return True

    def delete(self, job_id: str) -> None:
        """The job was deleted; no change of it comes any more."""
        place = self._by_job.get(job_id) or Place(job_id)
        place.is_deleted = True
        place.show(place.job_seq, None)
        self._put(place)

    def see(self, job: JobSummary) -> None:
        """Somebody is about to be shown what was read, which may be committed and not announced yet.

        No older state is told afterwards. The announcement of this one is still to come, for all others.
        """
        place = self._by_job.get(job.job_id)
        if place is not None:
            if place.job_seq < job.seq:
                place.show(job.seq, None)
            return
        self._shown_ahead[job.job_id] = job.seq
        self._shown_ahead.move_to_end(job.job_id)
        if len(self._shown_ahead) > self.most_shown_ahead:
            self._shown_ahead.popitem(last=False)

    def after(self, seq: int, *, up_to: int, limit: int) -> list[Place]:
        """The places with numbers above the one and not above the other, the first of them."""
        found: list[Place] = []
        for place in reversed(self._by_job.values()):
            if place.seq <= seq:
                break
            if place.seq <= up_to:
                found.append(place)
        return found[: -limit - 1 : -1]

    def let_go(self, *, after: int) -> None:
        """Of the states that were not written: nobody is to be told."""
        for place in self.after(after, up_to=self.newest, limit=self.capacity):
            place.state = None

    def _put(self, place: Place) -> None:
        self.newest += 1
        place.seq = self.newest
        self._by_job[place.job_id] = place
        self._by_job.move_to_end(place.job_id)
        if len(self._by_job) > self.capacity:
            _, given_up = self._by_job.popitem(last=False)
            self.forgotten = given_up.seq

"""What one subscriber gets: the present state, then the log from there on; or the log from where it stopped.

A subscriber that falls behind is given what it missed in fewer events: a progress that a later event supersedes is
left out, a final state of an image never is.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from attrs import define

from gateway.domain.events import Event, EventType, StreamPosition, snapshot_event
from gateway.domain.job import Job
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.ports.job_store import EventLog

FROM_THE_START: Final = "0"
_PAGE = 256


@define(eq=False)
class EventStream:
    """Subscriptions to jobs."""

    _latest: LatestJobs
    _log: EventLog
    _hub: Hub

    def position(self, event: Event) -> StreamPosition:
        """The event's name for good, as frames carry it and `after` takes it."""
        return StreamPosition(self._log.epoch, event.seq)

    async def follow(self, job_id: str, after: str | None = None) -> AsyncGenerator[Event, None]:
        """Events until the job's end, which is the last one.

        `after` is the position of the last event that was seen, or "0" for the whole log. Without one, or with one
        that is unknown or malformed, the present state comes first. Raises JobNotFound, also when the job is deleted
        meanwhile.
        """
        with self._hub.listen(job_id) as listener:
            job = await self._latest.get(job_id)
            seq = self._resume(job, after)
            if seq is None:
                yield snapshot_event(job)
                seq = _before_the_end(job)
            while True:
                listener.reset()
                events = await self._events(job, seq)
                for event in condensed(events):
                    yield event
                    if event.type is EventType.JOB_COMPLETE:
                        return
                if events:
                    seq = events[-1].seq
                else:
                    await listener.wait()

    def _resume(self, job: Job, after: str | None) -> int | None:
        """The sequence number to go on after, or None when there is nothing to go on from."""
        if after == FROM_THE_START:
            return 0
        position = StreamPosition.parse(after) if after else None
        if position is None or position.epoch != self._log.epoch or position.seq > job.seq:
            return None
        # Who has seen the end already would get silence: the present state instead.
        return None if position.seq == job.seq and not job.counts.open else position.seq

    async def _events(self, job: Job, after: int) -> Sequence[Event]:
        """Those that were announced: a commit lies in the log a moment before the rest of us knows of it."""
        recent = self._hub.recent(job.job_id, after=after)
        if recent:
            return recent
        events = await self._log.events(job.job_id, after=after, limit=_PAGE)
        known = max(job.seq, self._hub.announced(job.job_id))
        return [event for event in events if event.seq <= known]


def condensed(events: Sequence[Event]) -> list[Event]:
    """Without each progress that a later event supersedes."""
    return [event for event in events if event.type is not EventType.PROGRESS or event.seq == events[-1].seq]


def _before_the_end(job: Job) -> int:
    """Where the tail begins after a snapshot: for an ended job, so that its last event is still to come."""
    return job.seq if job.counts.open else job.seq - 1

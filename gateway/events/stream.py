"""The log of a job as its subscribers read it: how a subscription begins, and what comes after a position."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from attrs import define

from gateway.domain.events import Event, StreamPosition, snapshot_event, state_after, state_before
from gateway.domain.job import Job
from gateway.errors import Unavailable
from gateway.events.latest import LatestJobs
from gateway.events.topic import PIECE_EVENTS, Topic
from gateway.events.wire import Opening
from gateway.ports.job_store import EventLog

FROM_THE_START: Final = "0"


@define(eq=False)
class EventStream:
    """Positions, openings and pieces of logs."""

    _latest: LatestJobs
    _log: EventLog

    def position(self, event: Event) -> StreamPosition:
        """The event's name for good, as messages carry it and `after` takes it."""
        return StreamPosition(self._log.epoch, event.seq)

    def seq_of(self, job: Job, after: str | None) -> int | None:
        """The number of the event that `after` names; None where there is nothing of that job to go on from."""
        if after == FROM_THE_START:
            return 0
        position = StreamPosition.parse(after) if after else None
        if position is None or position.epoch != self._log.epoch or position.seq > job.seq:
            return None
        return position.seq

    async def opening(self, job_id: str, after: str | None, *, with_images: bool = False) -> Opening:
        """How a subscription begins: where it stopped, or with the present state. Raises JobNotFound, Unavailable.

        Who has seen the end of a job already gets its state, and its end again: never silence.
        """
        job = await self._latest.get(job_id)
        seq = self.seq_of(job, after)
        if seq is not None and (job.counts.open or seq < job.seq):
            state = await self._state_at(job, seq)
            if state is not None:
                return Opening(event=state, resumed=True, seq=seq, known=job.seq)
        # Of an ended job the last event is still to come.
        told = job.seq if job.counts.open else job.seq - 1
        return Opening(
            event=snapshot_event(job),
            resumed=False,
            seq=told,
            known=job.seq,
            job=job if with_images else None,
        )

    async def events(self, topic: Topic, *, after: int, up_to: int) -> Sequence[Event]:
        """The next events after that number, at most PIECE_EVENTS, from memory where they are at hand.

        Raises JobNotFound, Unavailable.
        """
        recent = topic.recent(after=after, limit=PIECE_EVENTS)
        found = recent or await self._read(topic.job_id, after=after, limit=PIECE_EVENTS)
        # A commit lies in the log a moment before the rest of us knows of it.
        return [event for event in found if event.seq <= up_to]

    async def pieces(self, job_id: str, *, after: int, up_to: int) -> AsyncIterator[Sequence[Event]]:
        """All events after the one number up to the other, as the log has them. Raises JobNotFound, Unavailable."""
        while after < up_to:
            found = await self._read(job_id, after=after, limit=min(PIECE_EVENTS, up_to - after))
            yield found
            after = found[-1].seq

    async def _state_at(self, job: Job, seq: int) -> Event | None:
        """The job as that event left it; None where the log has lost just that one."""
        if seq == job.seq:
            return snapshot_event(job)
        if seq == 0:
            return state_before(job)
        (event,) = await self._read(job.job_id, after=seq - 1, limit=1)
        return state_after(event) if event.seq == seq else None

    async def _read(self, job_id: str, *, after: int, limit: int) -> Sequence[Event]:
        """Of what is known to be there: who waited for what was lost would wait without end."""
        found = await self._log.events(job_id, after=after, limit=limit)
        if not found:
            raise Unavailable("The log of this job is not whole.", detail=f"{job_id} after {after}")
        return found

"""Follows many jobs over one WebSocket. What becomes of one of them costs the others nothing."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from attrs import define, field

from gateway.client.answers import Event, read_event
from gateway.client.coming_back import ComingBack
from gateway.client.http import Http
from gateway.client.live.doors.door import EVENT_TYPES
from gateway.client.live.jobs import Jobs
from gateway.client.live.subscriptions import refused, subscriptions
from gateway.client.live.turns import Turns
from gateway.client.pauses import Pauses
from gateway.client.websocket import Frame

NOT_THERE: Final = "job_not_found"
NO_PLACE: Final = "too_many_subscriptions"
NOT_NOW: Final = "unavailable"


@define(eq=False)
class OneConnection:
    """One at a time; each job goes on where it stopped. `has_spoken`: something has come over the last one."""

    _http: Http
    _jobs: Jobs
    _images: bool = field(kw_only=True)
    has_spoken: bool = field(init=False, default=False)
    _pauses: dict[str, Pauses] = field(init=False, factory=dict)
    """Of jobs that could not be followed when they were asked for."""

    async def events(self, coming_back: ComingBack) -> AsyncGenerator[Event, None]:
        """What is new, until the last job's last event."""
        self.has_spoken, clock = False, asyncio.get_running_loop().time
        async with subscriptions(self._http) as door:
            turns = Turns(door, self._jobs.open, images=self._images)
            while self._jobs.open:
                await turns.take(clock())
                frame = await door.frame(until=turns.next_at)
                if frame is None:
                    continue
                self.has_spoken = True
                coming_back.answered()
                event = self._event(frame, turns, coming_back)
                if event is not None:
                    coming_back.went_on()
                    yield event

    def _event(self, frame: Frame, turns: Turns, coming_back: ComingBack) -> Event | None:
        """The one that is to be told. Raises Refused for what concerns all of the connection."""
        kind, job_id = frame.get("type"), frame.get("job_id")
        if kind == "error":
            self._mind(frame, turns, coming_back)
        elif kind == "subscribed":
            turns.answered(str(job_id))
        elif kind in EVENT_TYPES and job_id in self._jobs.open:
            return self._news(self._http.read(read_event, frame), turns)
        return None

    def _news(self, event: Event, turns: Turns) -> Event | None:
        self._pauses.pop(event.job_id, None)
        is_told = self._jobs.open[event.job_id].take(event, is_first=turns.is_first(event.job_id))
        if event.is_last:
            self._jobs.ended(event.job_id)
            turns.ended(event.job_id)
        return event if is_told else None

    def _mind(self, frame: Frame, turns: Turns, coming_back: ComingBack) -> None:
        job_id, error = str(frame.get("job_id", "")), refused(frame)
        if job_id not in self._jobs.open:
            raise error
        if error.code == NOT_NOW:
            pauses = self._pauses.setdefault(job_id, coming_back.pauses.another())
            turns.later(job_id, asyncio.get_running_loop().time() + pauses.after_failure())
            coming_back.on_wait(error)
        elif error.code == NOT_THERE:
            turns.ended(job_id)
            self._jobs.lost(job_id)
        elif error.code != NO_PLACE or not turns.put_off(job_id):
            raise error

"""Follows many jobs over one WebSocket."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing

from attrs import define, field

from gateway.client.answers import Event, read_event
from gateway.client.coming_back import ComingBack
from gateway.client.errors import Refused
from gateway.client.http import Http
from gateway.client.live.one_job import EVENT_TYPES, no_such_job
from gateway.client.live.subscriptions import refused, subscriptions
from gateway.client.live.told import Told
from gateway.client.live.turns import Turns
from gateway.client.websocket import Frame

OnLost = Callable[[str, Refused], None]


@define(eq=False)
class ManyJobs:
    """Events of the jobs that have not ended: each goes on where its last connection stopped."""

    _http: Http
    _open: dict[str, Told]
    _images: bool = field(kw_only=True)
    _on_lost: OnLost | None = field(kw_only=True)

    @classmethod
    def of(
        cls,
        http: Http,
        job_ids: Iterable[str],
        after: Mapping[str, str],
        *,
        images: bool,
        on_lost: OnLost | None,
    ) -> "ManyJobs":
        # A gateway takes ids in capitals too, but says them in small letters.
        positions = {job_id.lower(): position for job_id, position in after.items()}
        told = {job_id: Told(positions.get(job_id)) for job_id in map(str.lower, job_ids)}
        return cls(http, told, images=images, on_lost=on_lost)

    async def connect(self, coming_back: ComingBack) -> AsyncGenerator[Event, None]:
        """What one connection tells that is new, until the last job's last event."""
        if not self._open:
            return
        async with subscriptions(self._http) as door:
            turns = Turns(door, self._open, images=self._images)
            await turns.take()
            async with aclosing(door.frames(coming_back)) as frames:
                async for frame in frames:
                    event = self._event(frame, turns)
                    if event is not None:
                        coming_back.went_on()
                        yield event
                    if not self._open:
                        return
                    await turns.take()

    def _event(self, frame: Frame, turns: Turns) -> Event | None:
        """The one that is to be told. Raises Refused for what concerns all of the connection."""
        kind, job_id = frame.get("type"), frame.get("job_id")
        if kind == "error":
            self._mind(frame, turns)
        elif kind == "subscribed":
            turns.answered(str(job_id))
        elif kind in EVENT_TYPES and job_id in self._open:
            return self._news(self._http.read(read_event, frame), turns)
        return None

    def _news(self, event: Event, turns: Turns) -> Event | None:
        is_told = self._open[event.job_id].take(event, is_first=turns.is_first(event.job_id))
        if event.is_last:
            self._leave(event.job_id, turns)
        return event if is_told else None

    def _mind(self, frame: Frame, turns: Turns) -> None:
        job_id, error = str(frame.get("job_id", "")), refused(frame)
        if job_id not in self._open:
            raise error
        if error.code == "too_many_subscriptions" and turns.put_off(job_id):
            return
        if error.code != "job_not_found":
            raise error
        if self._on_lost is None:
            raise no_such_job(job_id)
        self._leave(job_id, turns)
        self._on_lost(job_id, no_such_job(job_id))

    def _leave(self, job_id: str, turns: Turns) -> None:
        del self._open[job_id]
        turns.ended(job_id)

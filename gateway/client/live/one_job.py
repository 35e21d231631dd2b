"""Follows one job over its WebSocket."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from attrs import define, evolve, field

from gateway.client.answers import Event, Job, read_event, read_job
from gateway.client.close_codes import JOB_DELETED
from gateway.client.coming_back import ComingBack
from gateway.client.errors import Closed, Refused
from gateway.client.http import Http
from gateway.client.live.told import Told

EVENT_TYPES: Final = frozenset({"progress", "image_complete", "job_complete"})


@define(eq=False)
class OneJob:
    """A job's events over one connection after another, each of which goes on where the last one stopped."""

    _http: Http
    _job_id: str
    _told: Told
    _images: bool = field(kw_only=True)

    async def connect(self, coming_back: ComingBack) -> AsyncGenerator[Event, None]:
        """What one connection tells that is new, until the job's last event."""
        try:
            async with aclosing(self._events(coming_back)) as events:
                async for event in events:
                    yield event
        except (Closed, Refused) as error:
            if is_gone(error):
                raise no_such_job(self._job_id) from error
            raise

    async def _events(self, coming_back: ComingBack) -> AsyncGenerator[Event, None]:
        is_first = True
        async with (
            self._http.websocket(f"batch/{self._job_id}/ws", self._query) as socket,
            aclosing(socket.frames()) as frames,
        ):
            async for frame in frames:
                coming_back.answered()
                if frame.get("type") not in EVENT_TYPES:
                    continue
                event = self._http.read(read_event, frame)
                if is_first:
                    event = await self._with_images(event)
                is_told, is_first = self._told.take(event, is_first=is_first), False
                if is_told:
                    coming_back.went_on()
                    yield event
                if event.is_last:
                    return

    @property
    def _query(self) -> Mapping[str, str]:
        after = {"after": self._told.position} if self._told.position else {}
        return after | ({"images": "true"} if self._images else {})

    async def _with_images(self, opening: Event) -> Event:
        """As it was asked for; an older gateway sends none, but has them in its status."""
        if not self._images or opening.images or not self._told.begins_anew(opening):
            return opening
        job = self._http.read(read_job, await self._http.json("GET", f"batch/{self._job_id}"))
        return with_state(opening, job)


def with_state(event: Event, job: Job) -> Event:
    """The event as it would be now that the job is as it is."""
    return evolve(
        event,
        status=job.status,
        progress=job.progress,
        completed=job.completed,
        failed=job.failed,
        cancelled=job.cancelled,
        images=job.images,
    )


def is_gone(error: Closed | Refused) -> bool:
    """Whether there is no such job, or no longer."""
    return error.code == JOB_DELETED if isinstance(error, Closed) else error.status == 404


def no_such_job(job_id: str) -> Refused:
    return Refused(404, f"There is no job {job_id}.", code="job_not_found")

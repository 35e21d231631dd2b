"""Follows one job, by the best door that is open."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from attrs import define, evolve, field

from gateway.client.answers import Event, Job
from gateway.client.close_codes import JOB_DELETED
from gateway.client.coming_back import ComingBack
from gateway.client.errors import ClientError, Closed, NoGateway, Refused, Unreachable
from gateway.client.http import Http
from gateway.client.live.doors.door import Door, HeldBack, NoSuchDoor, may_be_the_way
from gateway.client.live.doors.event_stream import EventStreamDoor
from gateway.client.live.doors.long_poll import LongPollDoor
from gateway.client.live.doors.way import Way
from gateway.client.live.doors.websocket import WebSocketDoor
from gateway.client.live.told import Told
from gateway.client.polling import Polling


@define(eq=False)
class OneJob:
    """A job's events over one connection after another, each of which goes on where the last one stopped."""

    _http: Http
    _way: Way
    _job_id: str
    _told: Told
    _images: bool = field(kw_only=True)

    async def connect(self, coming_back: ComingBack) -> AsyncGenerator[Event, None]:
        """What one connection tells that is new, until the job's last event."""
        try:
            async with aclosing(self._over_a_door(coming_back)) as events:
                async for event in events:
                    yield event
        except (Closed, Refused) as error:
            if is_gone(error):
                raise no_such_job(self._job_id) from error
            raise

    async def _over_a_door(self, coming_back: ComingBack) -> AsyncGenerator[Event, None]:
        """The first one that is open. Where none is, plain HTTP has the last word."""
        failure: ClientError | None = None
        for place, door in self._way.doors(self._doors):
            is_open = False
            try:
                async with aclosing(self._over(door, coming_back)) as events:
                    async for event in events:
                        if not is_open:
                            is_open = True
                            self._way.is_open_at(place)
                        if event is not None:
                            yield event
                return
            except NoSuchDoor as error:
                failure = failure or error
            except HeldBack as error:
                failure = error
            except (Closed, Refused, Unreachable, NoGateway) as error:
                if is_open or not may_be_the_way(error):
                    raise
                failure = error
        self._way.forget()
        assert failure is not None  # noqa: S101 - there are doors, and each has failed
        raise failure

    @property
    def _doors(self) -> tuple[Door, ...]:
        http, job_id = self._http, self._job_id
        return WebSocketDoor(http, job_id), EventStreamDoor(http, job_id), LongPollDoor(http, job_id)

    async def _over(self, door: Door, coming_back: ComingBack) -> AsyncGenerator[Event | None, None]:
        """None for what is not to be told."""
        is_first = True
        told = door.events(self._told.position, images=self._images, heard=coming_back.answered)
        async with aclosing(told) as events:
            async for event in events:
                is_opening, is_first = is_first or event.resumed is not None, False
                news = await self._with_images(event) if is_opening else event
                is_told = self._told.take(news, is_first=is_opening)
                if is_told:
                    coming_back.went_on()
                yield news if is_told else None
                if event.is_last:
                    return

    async def _with_images(self, opening: Event) -> Event:
        """As it was asked for; an older gateway sends none, but has them in its status."""
        if not self._images or opening.images or not self._told.begins_anew(opening):
            return opening
        return with_state(opening, await Polling(self._http).status(self._job_id))


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
    if isinstance(error, Closed):
        return error.code == JOB_DELETED
    return error.status == 404 and not isinstance(error, NoSuchDoor)


def no_such_job(job_id: str) -> Refused:
    return Refused(404, f"There is no job {job_id}.", code="job_not_found")

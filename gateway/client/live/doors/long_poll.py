"""The news of one job by questions that are answered when there is news: all that needs is answers that end."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from attrs import frozen

from gateway.client.answers import Event, Image, Job, read_image
from gateway.client.errors import Refused
from gateway.client.http import Http, parsed
from gateway.client.lines import lines
from gateway.client.live.doors.door import NoSuchDoor, is_absent
from gateway.client.live.doors.state import goes_on, news
from gateway.client.polling import PAUSE_S, WAIT_S, Polling


@frozen(eq=False)
class LongPollDoor:
    """See Door. The job is asked for, and then the ends of images behind the last event."""

    _http: Http
    _job_id: str

    async def events(
        self, position: str | None, *, images: bool, heard: Callable[[], None]
    ) -> AsyncGenerator[Event, None]:
        """States in between may be left out, ends are not."""
        last: Event | None = None
        while True:
            job = await Polling(self._http).status(self._job_id, WAIT_S if last else 0, position)
            heard()
            ends = await self._ends(position, job)
            for event in news(last, position, job, ends, images=images):
                last, position = event, event.id
                yield event
            if job.is_final:
                return
            await asyncio.sleep(PAUSE_S)

    async def _ends(self, position: str | None, job: Job) -> Sequence[Image]:
        """Of images, behind that position, if there is anything behind it."""
        if not job.id:
            raise NoSuchDoor("the position of a job")
        if position is None or position == job.id or not goes_on(position, job):
            return ()
        try:
            async with (
                self._http.answer(
                    "GET", f"batch/{self._job_id}/results", params={"after": position}
                ) as answer,
                aclosing(lines(answer.content.iter_any())) as told,
            ):
                images = [self._http.read(read_image, parsed(line)) async for line in told if line]
        except Refused as error:
            if is_absent(error):
                raise NoSuchDoor("results") from error
            raise
        return [image for image in images if image.is_final]

"""The news of one job by server-sent events: the same over plain HTTP, in one answer that goes on."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Final

import aiohttp
from attrs import frozen

from gateway.client.answers import Event, read_event
from gateway.client.close_codes import LEAVING, NO_CLOSE_FRAME, closed
from gateway.client.errors import Refused
from gateway.client.failures import silent
from gateway.client.http import UNBOUND, Http, parsed
from gateway.client.live.doors.door import EVENT_TYPES, HeldBack, NoSuchDoor, is_absent, wishes
from gateway.client.live.doors.state import last_event, present_state
from gateway.client.live.doors.stream import Stream
from gateway.client.polling import Polling
from gateway.client.server_sent import blocks

MEDIA_TYPE: Final = "text/event-stream"
NO_CONTENT: Final = 204
"""To who has seen the last event of a job that has ended."""


@frozen(eq=False)
class EventStreamDoor:
    """See Door. A proxy that gathers the answer instead of passing it on is known by an opening that does not come."""

    _http: Http
    _job_id: str

    async def events(
        self, position: str | None, *, images: bool, heard: Callable[[], None]
    ) -> AsyncGenerator[Event, None]:
        """An answer that ends before the job does is a connection that is lost."""
        async with AsyncExitStack() as stack:
            answer = await self._answer(stack, wishes(position, images=images))
            has_ended = answer.status == NO_CONTENT
            told = self._end(images=images) if has_ended else self._told(answer, heard)
            async for event in await stack.enter_async_context(aclosing(told)):
                yield event

    async def _answer(self, stack: AsyncExitStack, query: dict[str, str]) -> aiohttp.ClientResponse:
        """Once its head has come."""
        asked = self._http.answer(
            "GET", f"batch/{self._job_id}/events",
            params=query, headers={"Accept": MEDIA_TYPE}, silence_s=UNBOUND,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._http.open_s):
                answer = await stack.enter_async_context(asked)
        except TimeoutError:
            raise HeldBack(silent(self._http.address.shown, self._http.open_s)) from None
        except Refused as error:
            if is_absent(error):
                raise NoSuchDoor("server-sent events") from error
            raise
        if answer.status != NO_CONTENT and answer.content_type != MEDIA_TYPE:
            raise self._http.other_server()
        return answer

    async def _told(
        self, answer: aiohttp.ClientResponse, heard: Callable[[], None]
    ) -> AsyncGenerator[Event, None]:
        """A gateway that leaves says so by another time to come back after, behind the one that it began with."""
        stream = Stream(self._http, self._job_id, answer.content)
        is_leaving = False
        async with aclosing(blocks(stream.pieces())) as told:
            async for block in told:
                heard()
                is_leaving = block.has_retry and stream.last is not None
                frame = parsed(block.data)
                if isinstance(frame, dict) and frame.get("type") in EVENT_TYPES:
                    event = self._http.read(read_event, frame)
                    stream.has_told(event, frame)
                    yield event
        raise closed(self._http.address.shown, LEAVING if is_leaving else NO_CLOSE_FRAME)

    async def _end(self, *, images: bool) -> AsyncGenerator[Event, None]:
        """What other doors tell to who has seen it already."""
        job = await Polling(self._http).status(self._job_id)
        yield present_state(job, images=images)
        yield last_event(job)

"""Following one job by server-sent events, as browsers do with `EventSource`."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from attrs import define

from gateway.api.live.audience import Audience
from gateway.api.live.http.door import AS_IT_COMES, HttpDoor
from gateway.api.live.http.wires import EventStreamWire, Wires
from gateway.api.parameters import flag, job_id_of, refuse_slips
from gateway.api.paths import BATCH
from gateway.context import AppContext

MEDIA_TYPE: Final = "text/event-stream"
LAST_EVENT_ID: Final = "Last-Event-ID"
"""What a browser sends when it comes back by itself, to the address that it began with."""


@define(eq=False)
class EventStreams:
    """The route, and streams that answer other requests."""

    _context: AppContext
    _audience: Audience
    _door: HttpDoor
    _wires: Wires[EventStreamWire]

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{BATCH}/events", self.follow, allow_head=False)]

    async def follow(self, request: web.Request) -> web.StreamResponse:
        refuse_slips(request, "after", "images")
        with_images = flag(request, "images")
        job = await self._context.latest.get(job_id_of(request))
        after = request.headers.get(LAST_EVENT_ID) or request.query.get("after")
        if not job.counts.open and self._context.stream.seq_of(job, after) == job.seq:
            # All was seen; the one answer after which a browser does not come again.
            return web.Response(status=204, headers=AS_IT_COMES)
        job_id = job.job_id
        del job  # this state of it would stay as long as the connection
        with self._audience.place(request, "events", job_id):
            return await self.answer(request, job_id, after=after, with_images=with_images)

    async def answer(
        self,
        request: web.Request,
        job_id: str,
        *,
        after: str | None,
        with_images: bool = False,
        status: int = 200,
        headers: Mapping[str, str] = {},
    ) -> web.StreamResponse:
        """The events of the job, to one who has a place. Raises ConnectionResetError when the client has left."""
        response = web.StreamResponse(
            status=status, headers={"Content-Type": MEDIA_TYPE, **AS_IT_COMES, **headers}
        )
        wire = self._wires.of(request)
        return await self._door.follow(request, response, job_id, wire, after=after, with_images=with_images)

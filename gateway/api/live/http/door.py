"""Following one job by an answer of HTTP, whatever it is written as."""

from collections.abc import Callable
from typing import Final

from aiohttp import web
from attrs import define

from gateway.api.live.audience import Audience
from gateway.api.live.http.stream import HttpStream
from gateway.api.live.http.wires import HttpWire
from gateway.context import AppContext
from gateway.events.follower import End, Follower

AS_IT_COMES: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Nobody on the way is to keep it, or to hold it back: nginx would, until its buffers are full."""


@define(eq=False)
class HttpDoor:
    """Has the news of jobs written to who has a place in the audience."""

    _context: AppContext
    _audience: Audience

    async def follow(
        self,
        request: web.Request,
        response: web.StreamResponse,
        job_id: str,
        wire: HttpWire,
        *,
        after: str | None,
        with_images: bool = False,
    ) -> web.StreamResponse:
        """From the head to the end of the answer. Raises ConnectionResetError when the client has left before it."""
        heartbeat_s = self._audience.settings.heartbeat_s
        stream = await HttpStream.open(request, response, heartbeat_s=heartbeat_s)
        follower = Follower(
            job_id,
            hub=self._context.hub,
            stream=self._context.stream,
            peer=stream.peer,
            wire=wire,
            on_end=_ending(stream, wire),
            after=after,
            with_images=with_images,
        )
        stream.farewell = wire.farewell
        stream.sign_of_life = lambda: wire.sign_of_life(job_id) if follower.position >= 0 else None
        with self._audience.with_member(stream):
            try:
                follower.start()
                await stream.until_over()
                follower.stop()
                await stream.finish()
            finally:
                follower.stop()
                await stream.close()
        return response


def _ending(stream: HttpStream, wire: HttpWire) -> Callable[[End], None]:
    """Where what is written tells of the job's end, an answer may end before it, and the client comes back."""

    def end(end: End) -> None:
        stream.end(is_whole=end is End.COMPLETE or wire.tells_its_end)

    return end

"""Following one job by WebSocket: its state, then its log, one JSON object a message."""

from functools import partial
from typing import Final

from aiohttp import web
from attrs import define

from gateway.api.live.audience import Audience
from gateway.api.live.close_codes import CRASHED, ENDED, JOB_DELETED, OVERLOADED
from gateway.api.live.websocket.door import WebSocketDoor
from gateway.api.live.websocket.wires import WebSocketWire
from gateway.api.parameters import flag, job_id_of, refuse_slips
from gateway.api.paths import BATCH
from gateway.context import AppContext
from gateway.events.follower import End, Follower

CLOSED_BY: Final = {
    End.COMPLETE: ENDED,
    End.DELETED: JOB_DELETED,
    End.UNREADABLE: OVERLOADED,
    End.CRASHED: CRASHED,
}


@define(eq=False)
class JobSockets:
    """The route."""

    _context: AppContext
    _audience: Audience
    _door: WebSocketDoor
    _wire: WebSocketWire

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{BATCH}/ws", self.follow, allow_head=False)]

    async def follow(self, request: web.Request) -> web.StreamResponse:
        self._door.refuse_foreign(request)
        refuse_slips(request, "after", "images")
        with_images = flag(request, "images")
        # Its id alone: a state of it would stay as long as the connection.
        job_id = (await self._context.latest.get(job_id_of(request))).job_id
        with self._audience.place(request, "websocket", job_id):
            socket = await self._door.open(request)
            follower = Follower(
                job_id,
                hub=self._context.hub,
                stream=self._context.stream,
                peer=socket.peer,
                wire=self._wire,
                on_end=lambda end: socket.leave(CLOSED_BY[end]),
                after=request.query.get("after"),
                with_images=with_images,
            )
            socket.repeat = partial(self._repeated, follower)
            with self._door.counted(socket), self._audience.with_member(socket):
                follower.start()
                try:
                    await socket.hear()
                finally:
                    follower.stop()
        return socket.response

    def _repeated(self, follower: Follower) -> bytes | None:
        event = follower.last_told()
        return None if event is None else self._wire.repeat(follower.job_id, event)

"""Following one job by WebSocket: its state, then its log, one JSON object a message."""

from functools import partial
from typing import Final

from aiohttp import web
from attrs import define

from gateway.api.cors import CrossOrigin
from gateway.api.live.audience import Audience, Held
from gateway.api.live.close_codes import CRASHED, ENDED, JOB_DELETED, OVERLOADED
from gateway.api.live.websocket.socket import Socket
from gateway.api.live.websocket.wires import WebSocketWire
from gateway.api.parameters import flag, job_id_of, refuse_slips
from gateway.api.paths import BATCH
from gateway.context import AppContext
from gateway.events.follower import End, Follower
from gateway.telemetry.metrics import SubscriberMetrics

MAX_MESSAGE_BYTES: Final = 4096
"""What subscribers of one job say is not listened to."""

CLOSED_BY: Final = {
    End.COMPLETE: ENDED,
    End.DELETED: JOB_DELETED,
    End.UNREADABLE: OVERLOADED,
    End.CRASHED: CRASHED,
}


def refuse_foreign(request: web.Request, cross_origin: CrossOrigin) -> None:
    """A browser does not guard WebSockets by itself. Raises HTTPForbidden."""
    if not cross_origin.allows(request.headers.get("Origin")):
        raise web.HTTPForbidden(text="Pages of this origin may not follow jobs.")


def counted(socket: Socket, metrics: SubscriberMetrics) -> Held:
    """Among the connections that the metrics tell of."""
    metrics.opened.add()
    metrics.connections.add(1)
    return Held(partial(_count_ended, socket, metrics))


def _count_ended(socket: Socket, metrics: SubscriberMetrics) -> None:
    metrics.connections.add(-1)
    metrics.closed.of(code=str(socket.close_code)).add()
    metrics.messages_sent.add(socket.peer.messages)


@define(eq=False)
class JobSockets:
    """The route."""

    _context: AppContext
    _audience: Audience
    _wire: WebSocketWire
    _cross_origin: CrossOrigin

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{BATCH}/ws", self.follow, allow_head=False)]

    async def follow(self, request: web.Request) -> web.StreamResponse:
        refuse_foreign(request, self._cross_origin)
        refuse_slips(request, "after", "images")
        with_images = flag(request, "images")
        # Its id alone: a state of it would stay as long as the connection.
        job_id = (await self._context.latest.get(job_id_of(request))).job_id
        with self._audience.place(request, "websocket", job_id):
            socket = await Socket.open(
                request,
                heartbeat_s=self._audience.settings.heartbeat_s,
                max_message_bytes=MAX_MESSAGE_BYTES,
            )
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
            with counted(socket, self._context.metrics.subscribers), self._audience.with_member(socket):
                follower.start()
                try:
                    await socket.hear()
                finally:
                    follower.stop()
        return socket.response

    def _repeated(self, follower: Follower) -> bytes | None:
        event = follower.last_told()
        return None if event is None else self._wire.repeat(follower.job_id, event)

"""The way in for who follows by WebSocket, whatever is told to it there."""

from functools import partial
from typing import Final

from aiohttp import web
from attrs import define

from gateway.api.cors import CrossOrigin, is_of_our_own
from gateway.api.live.audience import Held
from gateway.api.live.websocket.socket import Socket
from gateway.telemetry.metrics import SubscriberMetrics

MAX_MESSAGE_BYTES: Final = 4096
"""Of what a client says: a few ids and words."""


@define(eq=False)
class WebSocketDoor:
    """Opens a connection to who may come in, and counts it for as long as it is open."""

    _metrics: SubscriberMetrics
    _cross_origin: CrossOrigin

    def refuse_foreign(self, request: web.Request) -> None:
        """A browser does not guard WebSockets by itself. Raises HTTPForbidden."""
        if not self._cross_origin.allows(request.headers.get("Origin")) and not is_of_our_own(request):
            raise web.HTTPForbidden(text="Pages of this origin may not follow jobs.")

    async def open(self, request: web.Request) -> Socket:
        """To one who has a place. Raises HTTPUpgradeRequired; ConnectionResetError when the client has left."""
        sent = self._metrics.messages_sent
        return await Socket.open(request, sent=sent, max_message_bytes=MAX_MESSAGE_BYTES)

    def counted(self, socket: Socket) -> Held:
        """Among the connections that the metrics tell of."""
        self._metrics.opened.add()
        self._metrics.connections.add(1)
        return Held(partial(self._count_ended, socket))

    def _count_ended(self, socket: Socket) -> None:
        self._metrics.connections.add(-1)
        self._metrics.closed.of(code=str(socket.close_code)).add()
        socket.count_sent()

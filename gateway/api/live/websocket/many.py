"""Following many jobs, or the list of all, over one WebSocket."""

from typing import Final

from aiohttp import web
from attrs import define

from gateway.api.cors import CrossOrigin
from gateway.api.live.audience import Audience
from gateway.api.live.websocket.job import counted, refuse_foreign
from gateway.api.live.websocket.server_messages import heartbeat
from gateway.api.live.websocket.socket import Socket
from gateway.api.live.websocket.subscriptions import Subscriptions
from gateway.api.live.websocket.wires import PING, WebSocketWire
from gateway.api.paths import PREFIX
from gateway.context import AppContext
from gateway.events.board.board import Board

MAX_MESSAGE_BYTES: Final = 4096
"""Of what a client says: a few ids and words."""


@define(eq=False)
class ManyJobsSockets:
    """The route."""

    _context: AppContext
    _audience: Audience
    _wire: WebSocketWire
    _board: Board
    _cross_origin: CrossOrigin

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{PREFIX}/ws", self.follow, allow_head=False)]

    async def follow(self, request: web.Request) -> web.StreamResponse:
        refuse_foreign(request, self._cross_origin)
        with self._audience.place(request, "many"):
            socket = await Socket.open(
                request,
                heartbeat_s=self._audience.settings.heartbeat_s,
                max_message_bytes=MAX_MESSAGE_BYTES,
            )
            socket.repeat = self._sign_of_life
            subscriptions = Subscriptions(self._context, self._audience, self._wire, self._board, socket)
            with counted(socket, self._context.metrics.subscribers), self._audience.with_member(socket):
                try:
                    await socket.hear(subscriptions.hear)
                finally:
                    subscriptions.stop()
        return socket.response

    def _sign_of_life(self) -> bytes:
        return PING + heartbeat(self._context.clock.now())

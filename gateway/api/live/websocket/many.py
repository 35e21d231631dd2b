"""Following many jobs, or the list of all, over one WebSocket."""

from aiohttp import web
from attrs import define

from gateway.api.live.audience import Audience
from gateway.api.live.websocket.door import WebSocketDoor
from gateway.api.live.websocket.server_messages import heartbeat
from gateway.api.live.websocket.subscriptions import Subscriptions
from gateway.api.live.websocket.wires import PING, WebSocketWire
from gateway.api.paths import PREFIX
from gateway.context import AppContext
from gateway.events.board.board import Board


@define(eq=False)
class ManyJobsSockets:
    """The route."""

    _context: AppContext
    _audience: Audience
    _door: WebSocketDoor
    _wire: WebSocketWire
    _board: Board

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{PREFIX}/ws", self.follow, allow_head=False)]

    async def follow(self, request: web.Request) -> web.StreamResponse:
        self._door.refuse_foreign(request)
        with self._audience.place(request, "many"):
            socket = await self._door.open(request)
            socket.repeat = self._sign_of_life
            subscriptions = Subscriptions(self._context, self._audience, self._wire, self._board, socket)
            with self._door.counted(socket), self._audience.with_member(socket):
                try:
                    await socket.hear(subscriptions.hear)
                finally:
                    subscriptions.stop()
        return socket.response

    def _sign_of_life(self) -> bytes:
        return PING + heartbeat(self._context.clock.now())

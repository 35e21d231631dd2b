"""One WebSocket connection: a loop that hears what the client says, and a goodbye that is said once.

All frames are written by the peer, past aiohttp's writer, answers to pings and goodbyes too: so none lands inside
another, and no send can be cancelled in the middle (aio-libs/aiohttp#12307). aiohttp ends what breaks the protocol.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, cast

from aiohttp import WebSocketError, WSMessage, WSMsgType, web
from attrs import define, field

from gateway.api.connections.protocol import Protocol
from gateway.api.live.audience import LEAVE_S, no_sign_of_life
from gateway.api.live.close_codes import ABNORMAL, ENDED, SILENT, TOO_SLOW, CloseCode
from gateway.api.live.websocket.handshake import opened_socket
from gateway.api.live.websocket.wires import PING, close_message, pong
from gateway.events.peer import Peer, PeerLeft
from gateway.telemetry.instruments import Counter

_ENDS: Final = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
_NO_CODE: Final = 1005
_MOST_UNANSWERED: Final = 2
"""So many beats may pass in a row without a sign of life."""


async def _unheard(_: WSMessage) -> None:
    """What is said is not listened to."""


@define(eq=False)
class Socket:
    """A connection whose handshake is done. `repeat` gives a sign of life, if there is one to give beside a ping."""

    response: web.WebSocketResponse
    _protocol: Protocol
    _sent: Counter
    repeat: Callable[[], bytes | None] = no_sign_of_life
    peer: Peer = field(init=False)
    _goodbye: int | None = field(init=False, default=None)
    """The first that was said; what the other answers to it is its own affair."""
    _leaving: "asyncio.Task[None] | None" = field(init=False, default=None)
    _took_at: float = field(init=False, default=0.0)
    """When it was last seen to take what pings stand behind, which is a sign of life too."""
    _beaten_at: float = field(init=False, default=0.0)
    _unanswered: int = field(init=False, default=0)
    """Beats in a row after which nothing was heard until the next one."""
    _counted: int = field(init=False, default=0)
    """Messages that were written, as far as they were counted as sent."""

    @classmethod
    async def open(cls, request: web.Request, *, sent: Counter, max_message_bytes: int) -> "Socket":
        """`sent` counts messages. Raises HTTPUpgradeRequired; ConnectionResetError when the client has left."""
        response = await opened_socket(request, max_message_bytes=max_message_bytes)
        return cls(response, cast(Protocol, request.protocol), sent)

    def __attrs_post_init__(self) -> None:
        transport = self._protocol.transport
        if transport is None:
            raise ConnectionResetError("the client has left")
        self.peer = Peer(transport)
        self._protocol.written_by(self.peer)

    @property
    def close_code(self) -> int:
        """How it ended: by the goodbye of whoever said it first, or by 1006, without one; 4000 is never said."""
        if self.peer.has_stalled:
            return TOO_SLOW.code
        return ABNORMAL.code if self._goodbye is None else self._goodbye

    async def hear(self, hear: Callable[[WSMessage], Awaitable[None]] = _unheard) -> None:
        """Until the connection is over: have each message of the client heard, before the next one is read."""
        try:
            while (message := await self.response.receive()).type not in _ENDS:
                if message.type is WSMsgType.PING:
                    self.peer.answer(pong(message.data))
                elif message.type is not WSMsgType.PONG:
                    await hear(message)
            self._take_leave(message)
            with suppress(PeerLeft, TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await self.peer.emptied()
        finally:
            if self._leaving is not None:
                self._leaving.cancel()
                await asyncio.gather(self._leaving, return_exceptions=True)
            await self.peer.close()
            # Both know this connection: it would stay until garbage is collected.
            self._leaving, self.repeat = None, no_sign_of_life

    def beat(self, now: float) -> None:
        if self._leaving is not None:
            return
        if self.peer.is_taking_slowly():
            self._took_at = now
        # Beats are counted, not seconds: those in which we were held up are not its silence.
        is_silent = max(self._protocol.received_at, self._took_at) < self._beaten_at
        self._beaten_at, self._unanswered = now, self._unanswered + 1 if is_silent else 0
        if self._unanswered == _MOST_UNANSWERED:
            self.leave(SILENT)
            return
        is_idle = self._counted == self.peer.messages
        repeated = self.repeat() if is_idle else None
        self.peer.write_now(repeated or PING, 1 if repeated else 0)
        self.count_sent()

    def count_sent(self) -> None:
        """Now and then, and at the end: to count each message would take longer than to write it."""
        self._sent.add(self.peer.messages - self._counted)
        self._counted = self.peer.messages

    def leave(self, close: CloseCode) -> None:
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(close), name="leave")

    async def _leave(self, close: CloseCode) -> None:
        """Say goodbye. The answer to it ends `hear`; a peer that gives none in time is cut off."""
        try:
            self._goodbye = close.code
            self.peer.say_last(close_message(close.code))
            if close is ENDED:
                await self.peer.confirmed()
            await asyncio.sleep(LEAVE_S)
        except PeerLeft:
            return
        self.peer.cut_off()

    def _take_leave(self, message: WSMessage) -> None:
        if message.type is WSMsgType.ERROR:
            message.data.__traceback__ = None  # its frames know the connection, likewise
        if self._goodbye is not None:
            return
        if message.type is WSMsgType.CLOSE:
            self._goodbye = message.data or _NO_CODE
            self.peer.say_last(close_message(message.data))
        elif isinstance(message.data, WebSocketError):
            self._goodbye = message.data.code
            self.peer.say_last(close_message(message.data.code))

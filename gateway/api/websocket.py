"""Following a job by WebSocket: its state, then its log, one JSON object a frame.

Each subscriber reads the log at its own pace, so that none holds up another; one that does not take a frame within
SEND_S is cut off. Close codes: 1000 after `job_complete`, 1001 when the gateway stops, 1011 when the log can't be
read; the subscriber comes back with `?after=<id>`. The connection ends when the subscriber has answered the
goodbye: who isn't reading at that moment finds the code later all the same.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Final

import structlog
from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web
from attrs import define, field

from gateway.api.cors import CrossOrigin
from gateway.api.parameters import job_id_of
from gateway.api.paths import BATCH
from gateway.api.views import Frames
from gateway.context import AppContext
from gateway.errors import GatewayError, Unavailable
from gateway.telemetry.instruments import Counter
from gateway.telemetry.metrics import SubscriberMetrics

log = structlog.get_logger(__name__)

PING_AFTER_S: Final = 40.0
"""Of silence; half of it later without an answer the connection is dead: 60 seconds in all."""
SEND_S: Final = 5.0
CLOSE_S: Final = 2.0
"""How long a peer may take to answer a goodbye; a stop of the gateway waits for it."""
MAX_MESSAGE_BYTES: Final = 4096
"""What subscribers say is not listened to."""
_ENDS: Final = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
_NO_CODE: Final = 1005


@define(eq=False)
class Subscriptions:
    """The WebSocket route, and those who are connected now."""

    _context: AppContext
    _frames: Frames
    _cross_origin: CrossOrigin
    _open: set["Subscriber"] = field(factory=set)

    @property
    def _metrics(self) -> SubscriberMetrics:
        return self._context.metrics.subscribers

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{BATCH}/ws", self.follow, allow_head=False)]

    async def follow(self, request: web.Request) -> web.StreamResponse:
        if not self._cross_origin.allows(request.headers.get("Origin")):
            raise web.HTTPForbidden(text="Pages of this origin may not follow jobs.")
        if self._context.background.stopping.is_set():
            raise Unavailable("The gateway is stopping.", code="stopping")
        job = await self._context.latest.get(job_id_of(request))
        socket = web.WebSocketResponse(
            heartbeat=PING_AFTER_S, timeout=CLOSE_S, compress=False, max_msg_size=MAX_MESSAGE_BYTES
        )
        if not socket.can_prepare(request).ok:
            raise web.HTTPUpgradeRequired(headers={"Upgrade": "websocket"})
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has left")
        await socket.prepare(request)
        subscriber = Subscriber(job.job_id, socket, transport, self._metrics.messages_sent)
        with self._counted(subscriber):
            await subscriber.serve(self._frames_of(job.job_id, request.query.get("after")))
        return socket

    @contextmanager
    def _counted(self, subscriber: "Subscriber") -> Iterator[None]:
        """Among those who are connected."""
        self._open.add(subscriber)
        self._metrics.opened.add()
        self._metrics.connections.set(len(self._open))
        try:
            yield
        finally:
            self._open.discard(subscriber)
            self._metrics.closed.of(code=str(subscriber.close_code)).add()
            self._metrics.connections.set(len(self._open))
            subscriber.ended.set()

    async def leave_all(self, _application: web.Application) -> None:
        """Send everybody away, all at the same time, for the gateway stops; who does not answer is cut off."""
        leaving = list(self._open)
        for subscriber in leaving:
            subscriber.dismiss()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S + 1):
                await asyncio.gather(*(subscriber.ended.wait() for subscriber in leaving))

    async def _frames_of(self, job_id: str, after: str | None) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._context.stream.follow(job_id, after)) as events:
            async for event in events:
                yield self._frames.of(job_id, event)


@define(eq=False)
class Subscriber:
    """One connection."""

    _job_id: str
    _socket: web.WebSocketResponse
    _transport: asyncio.Transport
    _frames_sent: Counter
    ended: asyncio.Event = field(init=False, factory=asyncio.Event)
    _dismissed: asyncio.Event = field(init=False, factory=asyncio.Event)
    _goodbye: int | None = field(init=False, default=None)
    """The first that was said; what the other answers to it is its own affair."""
    _turn: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    """Held while a frame is sent, which must not be cancelled in the middle (aio-libs/aiohttp#12307)."""

    @property
    def close_code(self) -> int:
        """How it ended: by the goodbye of whoever said it first, or by 1006, without one."""
        return WSCloseCode.ABNORMAL_CLOSURE if self._goodbye is None else self._goodbye

    def dismiss(self) -> None:
        """Have `serve` say goodbye; `ended` is set once the peer has answered, or CLOSE_S later."""
        self._dismissed.set()

    async def serve(self, frames: AsyncGenerator[bytes, None]) -> None:
        """Send the frames, until they or the connection end, or it is dismissed."""
        sending = asyncio.create_task(self._send_all(frames), name=f"send {self._job_id}")
        receiving = asyncio.create_task(self._receive_all(), name=f"receive {self._job_id}")
        dismissed = asyncio.create_task(self._dismissed.wait(), name=f"dismiss {self._job_id}")
        tasks = (sending, receiving, dismissed)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            leave_by = asyncio.get_running_loop().time() + CLOSE_S
            code = await self._last_word(sending, receiving, leave_by)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if code is not None:
            self._goodbye = code
            await self._leave(code, leave_by)

    def cut_off(self) -> None:
        self._transport.abort()

    async def _last_word(
        self, sending: "asyncio.Task[int | None]", receiving: "asyncio.Task[None]", leave_by: float
    ) -> int | None:
        """The close code to say goodbye with; None when there is nobody to say it to."""
        if sending.done():
            return sending.result()
        if receiving.done():
            return None
        try:
            async with asyncio.timeout_at(leave_by):
                await self._turn.acquire()
        except TimeoutError:
            self.cut_off()
            return None
        return WSCloseCode.GOING_AWAY

    async def _leave(self, code: int, leave_by: float) -> None:
        """Say goodbye; a peer that does not answer in time is cut off."""
        try:
            async with asyncio.timeout_at(leave_by):
                await self._socket.close(code=code)
        except TimeoutError:
            pass
        if self._socket.close_code == WSCloseCode.ABNORMAL_CLOSURE:
            self.cut_off()

    async def _send_all(self, frames: AsyncGenerator[bytes, None]) -> int | None:
        """The close code that the end of the frames calls for; None when the connection is lost."""
        try:
            async with aclosing(frames):
                async for frame in frames:
                    if not await self._send(frame):
                        return None
        except GatewayError as error:
            log.warning("a subscriber's log can't be read", job_id=self._job_id, reason=str(error))
            return WSCloseCode.INTERNAL_ERROR
        except Exception:
            log.exception("a subscription crashed", job_id=self._job_id)
            return WSCloseCode.INTERNAL_ERROR
        return WSCloseCode.OK

    async def _send(self, frame: bytes) -> bool:
        """Whether the frame is on its way; if not, nothing can be sent to this subscriber any more."""
        try:
            async with self._turn, asyncio.timeout(SEND_S):
                await self._socket.send_frame(frame, WSMsgType.TEXT)
        except TimeoutError:
            log.info("a slow subscriber was cut off", job_id=self._job_id)
        except ConnectionError:
            return False
        else:
            self._frames_sent.add()
            return True
        # Neither a write nor close() after a cancelled send: they end with a bare CancelledError.
        self.cut_off()
        return False

    async def _receive_all(self) -> None:
        """Notice pongs and the client's close."""
        while (message := await self._socket.receive()).type not in _ENDS:
            pass
        if message.type is WSMsgType.CLOSE:
            self._goodbye = message.data or _NO_CODE
        elif isinstance(message.data, WebSocketError):
            self._goodbye = message.data.code

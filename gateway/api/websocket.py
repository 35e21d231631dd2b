"""Following a job by WebSocket: its state, then its log, one JSON object a frame.

Each subscriber reads the log at its own pace, so that none holds up another; one that does not take a frame within
SEND_S is cut off. Close codes: 1000 after `job_complete`, 1001 when the gateway stops, 1011 when the log can't be
read; the subscriber comes back with `?after=<id>`.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from attrs import define, field

from gateway.api.batches import PREFIX
from gateway.api.cors import CrossOrigin
from gateway.api.parameters import job_id_of
from gateway.api.views import Frames
from gateway.context import AppContext
from gateway.errors import GatewayError, Unavailable

log = structlog.get_logger(__name__)

PING_AFTER_S: Final = 40.0
"""Of silence; half of it later without an answer the connection is dead: 60 seconds in all."""
SEND_S: Final = 5.0
CLOSE_S: Final = 3.0
MAX_MESSAGE_BYTES: Final = 4096
"""What subscribers say is not listened to."""


@define(eq=False)
class Subscriptions:
    """The WebSocket route, and those who are connected now."""

    _context: AppContext
    _frames: Frames
    _cross_origin: CrossOrigin
    _open: set["Subscriber"] = field(factory=set)

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{PREFIX}/batch/{{job_id}}/ws", self.follow, allow_head=False)]

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
        subscriber = Subscriber(job.job_id, socket, transport)
        self._open.add(subscriber)
        try:
            await subscriber.serve(self._frames_of(job.job_id, request.query.get("after")))
        finally:
            self._open.discard(subscriber)
        return socket

    async def leave_all(self, _application: web.Application) -> None:
        """Send everybody away, all at the same time, for the gateway stops."""
        await asyncio.gather(*(subscriber.leave(WSCloseCode.GOING_AWAY) for subscriber in self._open))

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

    async def serve(self, frames: AsyncGenerator[bytes, None]) -> None:
        """Send the frames, until they or the connection end."""
        sending = asyncio.create_task(self._send_all(frames), name=f"send {self._job_id}")
        receiving = asyncio.create_task(self._receive_all(), name=f"receive {self._job_id}")
        try:
            await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            finished = sending.done()
            sending.cancel()
            receiving.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)
        if finished and not sending.cancelled():
            await self.leave(sending.result())

    async def leave(self, code: int) -> None:
        """Say goodbye; a peer that does not answer in time is cut off."""
        try:
            async with asyncio.timeout(CLOSE_S + 1):
                await self._socket.close(code=code)
        except TimeoutError:
            pass
        if self._socket.close_code == WSCloseCode.ABNORMAL_CLOSURE:
            self._transport.abort()

    async def _send_all(self, frames: AsyncGenerator[bytes, None]) -> int:
        """The close code that the end of the frames calls for."""
        try:
            async with aclosing(frames):
                async for frame in frames:
                    if not await self._send(frame):
                        return WSCloseCode.ABNORMAL_CLOSURE
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
            async with asyncio.timeout(SEND_S):
                await self._socket.send_frame(frame, WSMsgType.TEXT)
        except TimeoutError:
            log.info("a slow subscriber was cut off", job_id=self._job_id)
        except ConnectionError:
            return False
        else:
            return True
        # Neither a write nor close() after a cancelled send: they end with a bare CancelledError
        # (aio-libs/aiohttp#12307).
        self._transport.abort()
        return False

    async def _receive_all(self) -> None:
        """Notice pongs and the client's close."""
        async for _ in self._socket:
            pass

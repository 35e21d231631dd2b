"""What never reaches a handler of ours: connections, heads that don't come, requests that can't be parsed.

All of it is bounded here, answered like every other error, and no reason for a traceback. aiohttp has no public way in:
its protocol answers by itself, in plain text, what it can't parse, and an `Expect` is met before any middleware, also
at addresses that there are not. So the runner makes a server of our protocol; tests hold that aiohttp still comes by
here.
"""

import asyncio
from typing import Any, Final, cast

import aiohttp
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import _ErrInfo

from gateway.api.connections import ConnectionBounds, TurnedAway, as_bytes
from gateway.api.cors import CrossOrigin
from gateway.api.health import ALIVE_PATH, READY_PATH
from gateway.api.metrics import METRICS_PATH
from gateway.api.problems import of_crash, of_error, of_server, problem
from gateway.errors import TooSlow, Unavailable

log = structlog.get_logger(__name__)

_ALWAYS_ANSWERED: Final = frozenset((ALIVE_PATH, READY_PATH, METRICS_PATH))
_RETRY_WHEN_CROWDED_S: Final = 5
_TELL_AGAIN_S: Final = 30.0

_LINGER_S: Final = 5.0
_LINGER_BYTES: Final = 64 * 1024 * 1024
"""What a sender may still send after an answer that did not wait for it, so that it sees the answer."""


_MOST_FRAMING: Final = 2 * 1024 * 1024
"""Bytes of a body that are none of its content, and not outweighed by it: a byte may come in a chunk of its own."""


class Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = (
        "_framed",
        "_framed_bytes",
        "_head_due",
        "_head_has_begun",
        "_lingering",
        "_server",
        "is_spare",
    )

    def __init__(self, server: "Server", **options: Any) -> None:
        super().__init__(server, lingering_time=0, **options)
        self._server = server
        self._head_due: asyncio.TimerHandle | None = None
        self._head_has_begun = False
        self._lingering: asyncio.Timeout | None = None
        self._framed: aiohttp.StreamReader | None = None
        self._framed_bytes = 0
        self.is_spare = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._server.has_room:
            self._server.turn_away(transport)
            return
        self.is_spare = self._server.is_crowded
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        seen = self._request_count
        super().data_received(data)
        if self._current_request is not None:
            self._watch_framing(self._current_request.content, len(data))
        if self._request_count != seen:
            self._head_came()
        elif self._is_idle:
            self._head_has_begun = True
            if self._head_due is None:
                self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_came()
        self._end_lingering()
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; then read on a little where the body was not read, and close unless that was its end."""
        answer, is_lost = await super().finish_response(request, resp, start_time)
        if not is_lost and not request.content.is_eof():
            await self._linger(request)
        return answer, is_lost

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 aiohttp's name
        self._end_lingering()
        await super().shutdown(timeout)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what could not be parsed, or to a bug outside of every handler; it ends the connection."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        if isinstance(exc, HttpProcessingError) and status < 500:
            log.debug("no HTTP", remote=request.remote, reason=type(exc).__name__)
            answer = problem(status, "The request is no valid HTTP/1.1.", "bad_input")
        else:
            bug = exc or RuntimeError(message or "no reason given")
            answer = of_crash(bug, method=request.method, path=request.path)
        answer.headers.update(self._server.cross_origin.headers_for(request.headers.get("Origin")))
        answer.force_close()
        return answer

    @property
    def _is_idle(self) -> bool:
        """Nothing is in hand, and no request has come whole since."""
        return self._waiter is not None and not self._waiter.done()

    def _watch_framing(self, body: aiohttp.StreamReader, received: int) -> None:
        """End a body whose framing is broken, of which its reader is told nothing, or is nearly all that comes."""
        if body.is_eof():
            return
        if body is not self._framed:
            self._framed, self._framed_bytes = body, 0
        self._framed_bytes += received
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            body.set_exception(web.RequestPayloadError("no chunk where one should begin"))
        elif self._framed_bytes > _MOST_FRAMING + 2 * body.total_bytes:
            body.set_exception(web.RequestPayloadError("chunks of next to nothing"))

    def _await_head(self) -> None:
        timeout_s = self._server.bounds.headers_timeout_s
        self._head_due = self._loop.call_later(timeout_s, self._cut_head)
        # A head that has begun is ours to cut, not that of the bound on idle connections, which may be shorter.
        self._next_keepalive_close_time = max(
            self._next_keepalive_close_time, self._loop.time() + timeout_s + 1
        )

    def _head_came(self) -> None:
        self._head_has_begun = False
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _cut_head(self) -> None:
        self._head_due = None
        if not self._is_idle or self.transport is None:
            return
        # A connection on which nothing was asked is closed without a word, as any idle one.
        if self._head_has_begun:
            self.transport.write(self._server.too_slow)
        self.force_close()

    async def _linger(self, request: web.BaseRequest) -> None:
        left = _LINGER_BYTES
        try:
            async with asyncio.timeout(_LINGER_S) as self._lingering:
                while left > 0 and self.transport is not None and not request.content.is_eof():
                    left -= len(await request.content.readany())
        except (TimeoutError, ConnectionError, web.RequestPayloadError):
            pass
        finally:
            self._lingering = None

    def _end_lingering(self) -> None:
        if self._lingering is not None and not self._lingering.expired():
            self._lingering.reschedule(self._loop.time())


class Server(web.Server):
    """Makes our protocol for each connection, and counts them."""

    def __init__(self, made: web.Server, cross_origin: CrossOrigin, bounds: ConnectionBounds) -> None:
        super().__init__(
            self._handle,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 the reason stands above
        )
        self._application = made.request_handler
        self.cross_origin = cross_origin
        self.bounds = bounds
        marks = cross_origin.headers_for(None)
        self.too_slow = as_bytes(of_error(TooSlow("The head of the request did not come in time.")), marks)
        self._turned_away = TurnedAway(as_bytes(_crowded(), marks))
        self._told_at = float("-inf")

    @property
    def has_room(self) -> bool:
        return len(self._connections) < self.bounds.most + self.bounds.spare

    @property
    def is_crowded(self) -> bool:
        """All places but the spare ones are taken."""
        return len(self._connections) >= self.bounds.most

    def turn_away(self, transport: asyncio.BaseTransport) -> None:
        """Tell a client that there is no place, and close its connection."""
        self._turned_away.take(cast(asyncio.Transport, transport))
        self._tell()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        is_spare = cast(Protocol, request.protocol).is_spare
        if is_spare and request.path not in _ALWAYS_ANSWERED:
            return self._refused(request)
        answer: web.StreamResponse
        try:
            answer = await self._application(request)
        except web.HTTPExpectationFailed:
            answer = of_server(web.HTTPExpectationFailed())
        if is_spare:
            answer.force_close()
        return answer

    def _refused(self, request: web.BaseRequest) -> web.Response:
        self._tell()
        answer = _crowded()
        answer.headers.update(self.cross_origin.headers_for(request.headers.get("Origin")))
        answer.force_close()
        return answer

    def _tell(self) -> None:
        now = self._loop.time()
        if now - self._told_at >= _TELL_AGAIN_S:
            self._told_at = now
            log.warning("too many connections", bound=self.bounds.most)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 aiohttp's name
        self._turned_away.close()
        await super().shutdown(timeout)

    def __call__(self) -> web.RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)


def _crowded() -> web.Response:
    text = "The gateway has too many connections."
    return of_error(Unavailable(text, code="busy", retry_after_s=_RETRY_WHEN_CROWDED_S))


class Runner(web.AppRunner):
    """Runs an application on such a server."""

    __slots__ = ("_bounds", "_cross_origin")

    def __init__(
        self,
        application: web.Application,
        cross_origin: CrossOrigin,
        bounds: ConnectionBounds,
        **options: Any,
    ) -> None:
        super().__init__(application, **options)
        self._cross_origin = cross_origin
        self._bounds = bounds

    async def _make_server(self) -> web.Server:
        return Server(await super()._make_server(), self._cross_origin, self._bounds)

"""One connection: its places, its heads, the framing of its bodies, and what no request can be made of.

All of it is bounded here, answered like every other error, and no reason for a traceback. aiohttp has no way in for
that: by itself it answers in plain text what it can't parse, waits for a head as long as for a request, and reads on
without bound what nobody wants. So its protocol is ours; tests hold that aiohttp still comes by here.
"""

import asyncio
import typing
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

import aiohttp
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import _ErrInfo

from gateway.api.connections.client_frames import ClientFrames
from gateway.api.connections.crowd import Crowd
from gateway.api.problems import of_crash, problem
from gateway.events.send_queue import keep_little_unsent

log = structlog.get_logger(__name__)

_LINGER_S: Final = 5.0
"""How long a sender may still send after the last that it is told, so that it sees it."""
_LINGER_BYTES: Final = 64 * 1024 * 1024
"""How much of a body after an answer that did not wait for it, likewise."""

_SIP_S: Final = 0.02
"""Between reads of what comes after a goodbye; each brings what a socket gives at once."""

_CANCELLED_AFTER: Final = 1.5
"""So many times what a request in hand has to end at a stop; the rest of twice that is for what it undoes."""
_SHORTEST_S: Final = 0.001
"""No time at all is no bound to aiohttp."""

_MOST_FRAMING: Final = 2 * 1024 * 1024
"""Bytes of a body that are none of its content, and not outweighed by it: a byte may come in a chunk of its own."""

_NO_REQUESTS: Final[deque[Any]] = deque(maxlen=0)
"""Of all connections that take none any more; an empty deque of its own has 760 bytes."""


class Writer(typing.Protocol):
    """Who writes to the transport past aiohttp, or wants to know of its end."""

    def pause_writing(self) -> None:
        """The transport holds much."""

    def resume_writing(self) -> None:
        """The transport has passed on most of it."""

    def connection_lost(self) -> None:
        """Nothing can be written any more."""


class Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = (
        "_crowd",
        "_framed",
        "_framed_bytes",
        "_head_due",
        "_head_has_begun",
        "_is_parting",
        "_lingering",
        "_next_sip",
        "_writer_of_news",
        "is_spare",
        "received_at",
    )

    def __init__(self, server: web.Server, crowd: Crowd, **options: Any) -> None:
        super().__init__(server, lingering_time=0, **options)
        self._crowd = crowd
        self._head_due: asyncio.TimerHandle | None = None
        self._head_has_begun = False
        self._lingering: asyncio.Timeout | None = None
        self._is_parting = False
        """The last word is said: what still comes is read in sips, and dropped."""
        self._next_sip: asyncio.TimerHandle | None = None
        self._framed: aiohttp.StreamReader | None = None
        self._framed_bytes = 0
        self._writer_of_news: Writer | None = None
        self.is_spare = False
        self.received_at = 0.0
        """When the client's last bytes came, by the loop's clock."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        accepted = cast(asyncio.Transport, transport)
        if not self._crowd.has_room:
            self._crowd.turn_away(accepted)
            return
        self._crowd.watch_reading(accepted)
        self.is_spare = self._crowd.is_crowded
        super().connection_made(transport)
        self._await_head()

    def written_by(self, writer: Writer) -> None:
        """Tell it when there is room in the transport, and when the connection is gone."""
        self._writer_of_news = writer
        if self.writing_paused:
            writer.pause_writing()

    def let_go(self) -> None:
        """Nobody but aiohttp writes any more, and the transport is as it was."""
        self._writer_of_news = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.set_write_buffer_limits()
            keep_little_unsent(self.transport, 0)
            self._crowd.watch_reading(self.transport)

    def bound_unread(self, unread_s: float) -> None:
        """End the connection of a client that leaves unread for so long what is sent to it, until it is let go."""
        if self.transport is not None and not self.transport.is_closing():
            self._crowd.watch_reading(self.transport, unread_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._writer_of_news is not None:
            self._writer_of_news.pause_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writer_of_news is not None:
            self._writer_of_news.resume_writing()

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """aiohttp's reader of frames, from now on: this connection is a WebSocket."""
        super().set_parser(cast(Any, ClientFrames(parser, self._loop.time)), data_received_cb)
        if self._upgraded and not self._messages:
            # What is for requests would be kept as long as the connection, and takes one and a half kilobytes.
            self._parser, self._messages = None, _NO_REQUESTS

    def close(self) -> None:
        """Read no more requests. At a stop aiohttp asks all for it; a WebSocket hears the answer to its goodbye."""
        if self._payload_parser is None:
            super().close()

    def data_received(self, data: bytes) -> None:
        self.received_at = self._loop.time()
        if self._is_parting:
            self._sip()
            return
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
        if self._next_sip is not None:
            self._next_sip.cancel()
            self._next_sip = None
        if self._writer_of_news is not None:
            self._writer_of_news.connection_lost()
            self._writer_of_news = None
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; then read on a little: the rest of a body, or what comes over a WebSocket that is over.

        Then the connection is closed, unless it was a body and has come to its end.
        """
        answer, is_lost = await super().finish_response(request, resp, start_time)
        if isinstance(answer, web.WebSocketResponse):
            await self._part()
        elif not is_lost and not request.content.is_eof():
            await self._linger(request)
        return answer, is_lost

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 aiohttp's name
        """The request in hand may end within that time. Then its body ends; if that is not enough it is cancelled, and
        waited for. After twice that time it is left alone: aiohttp would cancel it only then.
        """
        self._end_lingering()
        if timeout is None:
            await super().shutdown(timeout)
            return
        cut = self._loop.call_later(_CANCELLED_AFTER * timeout, self._cancel)
        try:
            await super().shutdown(max(timeout, _SHORTEST_S))
        finally:
            cut.cancel()

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
            answer = problem(status, _why_no_request(exc), "bad_input")
        else:
            bug = exc or RuntimeError(message or "no reason given")
            answer = of_crash(bug, method=request.method, path=request.path)
        answer.headers.update(self._crowd.cross_origin.headers_for(request.headers.get("Origin")))
        answer.force_close()
        return answer

    @property
    def _is_idle(self) -> bool:
        """Nothing is in hand, and no request has come whole since."""
        # Bytes may come before aiohttp's task has begun to wait for the first request.
        return self._request_count == 0 or (self._waiter is not None and not self._waiter.done())

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
        timeout_s = self._crowd.bounds.headers_timeout_s
        self._head_due = self._loop.call_later(timeout_s, self._cut_head)
        # A head that has begun is ours to cut, not that of the bound on idle connections, which may be shorter.
        self._next_keepalive_close_time = max(
            self._next_keepalive_close_time, self._loop.time() + timeout_s + _LINGER_S + 1
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
        if not self._head_has_begun:
            self.force_close()  # without a word, as any idle one
            return
        self.transport.write(self._crowd.too_slow)
        self._say_no_more(self.transport)
        self._head_due = self._loop.call_later(_LINGER_S, self.force_close)

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

    async def _part(self) -> None:
        """Wait for the client of a WebSocket to close (RFC 6455, section 7.1.1)."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        super().close()  # aiohttp's
        self._say_no_more(transport)
        self.resume_reading()
        try:
            async with asyncio.timeout(_LINGER_S) as self._lingering:
                await self._loop.create_future()
        except TimeoutError:
            pass
        finally:
            self._lingering = None
        if transport.get_write_buffer_size():
            # It reads nothing: a close would wait for it.
            transport.abort()

    def _say_no_more(self, transport: asyncio.Transport) -> None:
        """Close our half, and drop what still comes.

        A connection closed with unread bytes in it is reset, and its client may miss the last word.
        """
        with suppress(OSError):  # it is reset already, of which the transport will tell
            transport.write_eof()
        self._is_parting = True

    def _sip(self) -> None:
        """Read no more for a moment: who floods is slowed, and has time to hear the last word."""
        if self.transport is not None and self._next_sip is None:
            self.transport.pause_reading()
            self._next_sip = self._loop.call_later(_SIP_S, self._read_on)

    def _read_on(self) -> None:
        self._next_sip = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def _cancel(self) -> None:
        if self._task_handler is not None:
            self._task_handler.cancel()

    def _end_lingering(self) -> None:
        if self._lingering is not None and not self._lingering.expired():
            self._lingering.reschedule(self._loop.time())


def _why_no_request(error: HttpProcessingError) -> str:
    if isinstance(error, LineTooLong):
        return "A line of the request's head is too long."
    return "The request is no valid HTTP/1.1."

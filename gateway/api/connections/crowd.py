"""How many connections there may be at once, and how one above that is told.

It is answered before its request is read, and then closed: it takes a file of the process, and for a second at most.
"""

import asyncio
import socket
from collections.abc import Mapping, Sized
from time import monotonic
from typing import Final

import structlog
from aiohttp import web
from attrs import define, field, frozen

from gateway.api.cors import CrossOrigin
from gateway.api.problems import of_error
from gateway.errors import TooSlow, Unavailable
from gateway.telemetry.metrics import ConnectionMetrics

log = structlog.get_logger(__name__)

_RETRY_S: Final = 5
_TELL_AGAIN_S: Final = 30.0

_LINGER_S: Final = 1.0
_LINGER_BYTES: Final = 64 * 1024
_MOST_TURNED_AWAY: Final = 64
"""At once, with time to hear it; further ones are closed on the spot."""


@frozen
class ConnectionBounds:
    """`spare` ones come on top of `most`, for those who ask how the process is."""

    most: int = 8192
    spare: int = 32
    headers_timeout_s: float = 10.0
    """How long the head of a request may take, from its first byte; the first head, from the connection's start."""
    unread_s: float = 60.0
    """How long a client may leave unread what was sent to it, or unconfirmed."""


@define(eq=False)
class Crowd:
    """The connections of a server, and those for which there was no place, until they are gone."""

    bounds: ConnectionBounds
    cross_origin: CrossOrigin
    _metrics: ConnectionMetrics
    _connections: Sized
    _refused: "set[_Refused]" = field(init=False, factory=set)
    _told_at: float = field(init=False, default=float("-inf"))
    too_slow: bytes = field(init=False)
    """The answer to a head that does not come."""
    _full: bytes = field(init=False)

    def __attrs_post_init__(self) -> None:
        marks = self.cross_origin.headers_for(None)
        self.too_slow = _as_bytes(of_error(TooSlow("The head of the request did not come in time.")), marks)
        self._full = _as_bytes(of_error(_crowded()), marks)

    @property
    def has_room(self) -> bool:
        return len(self._connections) < self.bounds.most + self.bounds.spare

    @property
    def is_crowded(self) -> bool:
        """All places but the spare ones are taken."""
        return len(self._connections) >= self.bounds.most

    def watch_reading(self, transport: asyncio.Transport, unread_s: float | None = None) -> None:
        """End the connection of a client that does not read: it would keep its place, and its answer in memory.

        Without `unread_s` the bound of all holds. The kernel sees to it (tcp(7)), also where an answer is done for us,
        or the connection closed and not yet empty.
        """
        opened = transport.get_extra_info("socket")
        if opened.family in (socket.AF_INET, socket.AF_INET6):
            unread_ms = round((unread_s or self.bounds.unread_s) * 1000)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_ms)

    def refusal(self, request: web.BaseRequest) -> web.Response:
        """The answer to a request on a spare connection."""
        self._tell()
        answer = of_error(_crowded())
        answer.headers.update(self.cross_origin.headers_for(request.headers.get("Origin")))
        return answer

    def turn_away(self, transport: asyncio.Transport) -> None:
        """Tell the client that there is no place, and close its connection."""
        self._tell()
        transport.write(self._full)
        if len(self._refused) >= _MOST_TURNED_AWAY or transport.is_closing():
            transport.close()
            return
        refused = _Refused(transport, self._refused)
        self._refused.add(refused)
        transport.set_protocol(refused)
        transport.write_eof()

    def close(self) -> None:
        """Of those that were turned away."""
        for refused in tuple(self._refused):
            refused.close()

    def _tell(self) -> None:
        self._metrics.refused.add()
        now = monotonic()
        if now - self._told_at >= _TELL_AGAIN_S:
            self._told_at = now
            log.warning("too many connections", bound=self.bounds.most)


class _Refused(asyncio.Protocol):
    """Reads on a little: a connection closed with unread bytes in it is reset, and its client may miss the answer."""

    def __init__(self, transport: asyncio.Transport, others: "set[_Refused]") -> None:
        self._transport = transport
        self._others = others
        self._left = _LINGER_BYTES
        self._end = asyncio.get_running_loop().call_later(_LINGER_S, transport.close)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._end.cancel()
        self._others.discard(self)


def _crowded() -> Unavailable:
    text = "The gateway has too many connections."
    return Unavailable(text, code="busy", retry_after_s=_RETRY_S)


def _as_bytes(answer: web.Response, headers: Mapping[str, str]) -> bytes:
    """An answer for a connection where there is no request, after which it is closed."""
    assert isinstance(answer.body, bytes)  # noqa: S101 as `problem` makes it
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in {**answer.headers, **headers}.items()]
    lines += [f"Content-Length: {len(answer.body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + answer.body

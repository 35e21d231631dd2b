"""How many connections there may be at once, and how one above that is told.

It is answered before its request is read, and then closed: it takes a file of the process, and for a second at most.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from attrs import define, field, frozen

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


@define(eq=False)
class TurnedAway:
    """The connections for which there was no place, until they are gone."""

    _answer: bytes
    _connections: "set[_Refused]" = field(factory=set)

    def take(self, transport: asyncio.Transport) -> None:
        """Tell the client, and close its connection."""
        transport.write(self._answer)
        if len(self._connections) >= _MOST_TURNED_AWAY:
            transport.close()
            return
        refused = _Refused(transport, self._connections)
        self._connections.add(refused)
        transport.set_protocol(refused)
        transport.write_eof()

    def close(self) -> None:
        for refused in tuple(self._connections):
            refused.close()


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


def as_bytes(answer: web.Response, headers: Mapping[str, str]) -> bytes:
    """An answer for a connection where there is no request, after which it is closed."""
    assert isinstance(answer.body, bytes)  # noqa: S101 as `problem` makes it
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in {**answer.headers, **headers}.items()]
    lines += [f"Content-Length: {len(answer.body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + answer.body

"""The answer to clients that poll: head and body are written as they are, in one piece.

aiohttp makes the head of each answer from a mapping, through signals, which costs more than all else that is done for
a status that has not changed. This says the same as `answers.versioned_answer` under CORS headers for all origins,
where nothing in the head depends on the request: a GET over HTTP/1.1 on a connection that stays open.
"""

import time
from email.utils import formatdate
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from gateway.api.answers import JSON
from gateway.api.conditions import is_known
from gateway.api.cors import FOR_ALL

_COMMON: Final = (
    "".join(f"{name}: {value}\r\n" for name, value in FOR_ALL.items()) + "Cache-Control: no-cache\r\n"
)
_OK: Final = f"HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\n{_COMMON}".encode()
_NOT_MODIFIED: Final = f"HTTP/1.1 304 Not Modified\r\n{_COMMON}".encode()


def can_be_stored(request: web.Request) -> bool:
    """Whether the head is the same for this request as for others."""
    return request.version == HttpVersion11 and request.keep_alive and request.method == "GET"


def stored_answer(request: web.Request, body: bytes, etag: str) -> web.StreamResponse:
    """The body, or 304 when the client named its version in If-None-Match."""
    if is_known(etag, request.headers.get("If-None-Match")):
        return StoredAnswer(304, b"%bETag: %b\r\n%b" % (_NOT_MODIFIED, etag.encode(), _rest()))
    head = b"%bContent-Length: %d\r\nETag: %b\r\n%b" % (_OK, len(body), etag.encode(), _rest())
    return StoredAnswer(200, head + body)


class StoredAnswer(web.StreamResponse):
    """One whole message of HTTP/1.1, after which the connection stays open."""

    def __init__(self, status: int, message: bytes) -> None:
        super().__init__(status=status)
        self._message = message

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        await request.writer.write_eof(self._message)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """All was written already."""


_date: tuple[int, bytes] = (0, b"")


def _rest() -> bytes:
    """Date, made once a second, and the end of the head."""
    global _date
    now = int(time.time())
    if now != _date[0]:
        _date = now, f"Date: {formatdate(now, usegmt=True)}\r\n\r\n".encode()
    return _date[1]

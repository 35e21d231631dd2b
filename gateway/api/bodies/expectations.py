"""`Expect: 100-continue` (RFC 9110, section 10.1.1): a client that sends its body only when it is asked to.

It is asked when the body is read for the first time. Until then the request can be refused for all that its head says,
and by whatever stands before its handler; so it gets the same answers as a request that sends its body unasked.

aiohttp would ask as soon as it has found the route, or none. So it never sees the header: `asking_late` takes it off.
"""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpVersion11, RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy

MakeRequest = Callable[..., web.BaseRequest]
"""Of a parsed head first, and what aiohttp has more for a request."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_MET: Final = "100-continue"
_EXPECTED: Final = web.RequestKey[frozenset[str]]("expected", frozenset)
"""There where something is."""


def asking_late(make_request: MakeRequest) -> MakeRequest:
    """The same, of requests whose `Expect` is known here alone."""

    def make(message: RawRequestMessage, *more: Any) -> web.BaseRequest:
        if "Expect" not in message.headers:
            return make_request(message, *more)
        headers = CIMultiDict(message.headers)
        expected = (each.strip().lower() for each in ",".join(headers.popall("Expect")).split(","))
        request = make_request(message._replace(headers=CIMultiDictProxy(headers)), *more)
        # Of a client that speaks HTTP/1.0 it must not be heeded.
        if message.version >= HttpVersion11:
            request[_EXPECTED] = frozenset(expected) - {""}
        return request

    return make


def refuse_unmet(request: web.BaseRequest) -> None:
    """Raises HTTPExpectationFailed where the client expects something else than to be asked for its body."""
    if request.get(_EXPECTED, frozenset()) - {_MET}:
        raise web.HTTPExpectationFailed


async def ask_for_body(request: web.BaseRequest) -> None:
    """Tell the client to send its body, if it waits for that. Raises ConnectionResetError."""
    # Who has sent some of it already waits for nothing.
    if not request.get(_EXPECTED) or request.content.total_bytes or request.content.is_eof():
        return
    await request.writer.write(_CONTINUE)
    # aiohttp takes bytes that were written for an answer that was begun.
    request.writer.output_size = 0

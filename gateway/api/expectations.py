"""`Expect: 100-continue` (RFC 9110, section 10.1.1): a client that sends its body only when it is asked to.

It is asked when the body is read for the first time. Until then the request can be refused for all that its head says,
and by whatever stands before its handler; so it gets the same answers as a request that sends its body unasked.
"""

from typing import Final

from aiohttp import HttpVersion11, web

from gateway.api.problems import of_server

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


async def ask_later(request: web.Request) -> web.StreamResponse | None:
    """The `expect_handler` of a route that reads its body by `ask_for_body`; refuses another expectation."""
    if _expectation(request) in ("", "100-continue"):
        return None
    return of_server(web.HTTPExpectationFailed())


async def ask_for_body(request: web.BaseRequest) -> None:
    """Tell the client to send its body, if it waits for that. Raises ConnectionResetError."""
    # Who has sent some of it already waits for nothing.
    if _expectation(request) != "100-continue" or request.content.total_bytes or request.content.is_eof():
        return
    await request.writer.write(_CONTINUE)
    # aiohttp takes bytes that were written for an answer that was begun.
    request.writer.output_size = 0


def _expectation(request: web.BaseRequest) -> str:
    """What the client expects; nothing where it speaks HTTP/1.0, of which it must not be heeded."""
    return request.headers.get("Expect", "").lower() if request.version >= HttpVersion11 else ""

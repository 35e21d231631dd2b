"""What never reaches a handler of ours is answered like every other error, and is no reason for a traceback.

A request that aiohttp can't parse reaches no handler, middleware or signal: its protocol answers by itself, in plain
text. An `Expect` is met before any middleware, also at addresses that there are not. There is no public way in, so the
runner makes a server of our protocol; tests hold that aiohttp still comes by here.
"""

from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.api.cors import CrossOrigin
from gateway.api.problems import of_crash, of_server, problem

log = structlog.get_logger(__name__)


class Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ("_cross_origin",)

    def __init__(self, server: web.Server, cross_origin: CrossOrigin, **options: Any) -> None:
        super().__init__(server, **options)
        self._cross_origin = cross_origin

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
        answer.headers.update(self._cross_origin.headers_for(request.headers.get("Origin")))
        answer.force_close()
        return answer


class Server(web.Server):
    """Makes our protocol for each connection."""

    def __init__(self, made: web.Server, cross_origin: CrossOrigin) -> None:
        super().__init__(
            _meeting_expectations(made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 the reason stands above
        )
        self._cross_origin = cross_origin

    def __call__(self) -> web.RequestHandler:
        return Protocol(self, self._cross_origin, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on such a server."""

    __slots__ = ("_cross_origin",)

    def __init__(self, application: web.Application, cross_origin: CrossOrigin, **options: Any) -> None:
        super().__init__(application, **options)
        self._cross_origin = cross_origin

    async def _make_server(self) -> web.Server:
        return Server(await super()._make_server(), self._cross_origin)


def _meeting_expectations(handle: Any) -> Any:
    """`handle`, but an expectation that aiohttp refuses is refused in our words (RFC 9110, section 10.1.1)."""

    async def handle_or_refuse(request: web.BaseRequest) -> web.StreamResponse:
        try:
            answer: web.StreamResponse = await handle(request)
        except web.HTTPExpectationFailed:
            return of_server(web.HTTPExpectationFailed())
        return answer

    return handle_or_refuse

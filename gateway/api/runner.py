"""What is no HTTP at all is answered like every other error, and is no reason for a traceback.

A request that aiohttp can't parse never reaches a handler, a middleware or a signal: its protocol answers by itself, in
plain text. There is no public way in, so the runner makes a server whose protocol answers in our words; a test holds
that aiohttp still comes by here.
"""

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.api.problems import of_crash, problem

log = structlog.get_logger(__name__)


class Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ()

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
            answer = problem(status, "The request is no valid HTTP/1.1.", "malformed_request")
        else:
            answer = of_crash(exc or RuntimeError(message or "no reason given"))
        answer.force_close()
        return answer


class Server(web.Server):
    """Makes our protocol for each connection."""

    def __call__(self) -> web.RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on such a server."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 the reason stands above
        )

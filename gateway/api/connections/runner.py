"""The server that an application runs on: it makes our protocol for each connection.

aiohttp has no public way to name another protocol, so its runner makes a server of ours of the one that it has made.
"""

import asyncio
from typing import Any, Final, cast

from aiohttp import web

from gateway.api.bodies.expectations import asking_late
from gateway.api.connections.crowd import ConnectionBounds, Crowd
from gateway.api.connections.protocol import Protocol
from gateway.api.cors import CrossOrigin
from gateway.api.health import ALIVE_PATH, READY_PATH
from gateway.api.metrics import METRICS_PATH
from gateway.telemetry.metrics import ConnectionMetrics

_ALWAYS_ANSWERED: Final = frozenset((ALIVE_PATH, READY_PATH, METRICS_PATH))
"""Also where all places are taken: a probe that gets no answer would have the process ended, with all who are there."""


class Server(web.Server):
    """Counts its connections, and answers on spare ones none but those who ask how the process is."""

    def __init__(
        self,
        made: web.Server,
        cross_origin: CrossOrigin,
        bounds: ConnectionBounds,
        metrics: ConnectionMetrics,
    ) -> None:
        super().__init__(
            self._handle,
            request_factory=asking_late(made.request_factory),
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 the reason stands above
        )
        self._application = made.request_handler
        self._metrics = metrics
        self._crowd = Crowd(bounds, cross_origin, metrics, self._connections)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._metrics.open.add(1)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        if handler in self._connections:  # else it was turned away
            self._metrics.open.add(-1)
        super().connection_lost(handler, exc)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        is_spare = cast(Protocol, request.protocol).is_spare
        answer: web.StreamResponse
        if is_spare and request.path not in _ALWAYS_ANSWERED:
            answer = self._crowd.refusal(request)
        else:
            answer = await self._application(request)
        if is_spare:
            answer.force_close()
        return answer

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 aiohttp's name
        self._crowd.close()
        await super().shutdown(timeout)

    def __call__(self) -> web.RequestHandler:
        return Protocol(self, self._crowd, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on such a server."""

    __slots__ = ("_bounds", "_cross_origin", "_metrics")

    def __init__(
        self,
        application: web.Application,
        cross_origin: CrossOrigin,
        bounds: ConnectionBounds,
        metrics: ConnectionMetrics,
        **options: Any,
    ) -> None:
        super().__init__(application, **options)
        self._cross_origin = cross_origin
        self._bounds = bounds
        self._metrics = metrics

    async def _make_server(self) -> web.Server:
        return Server(await super()._make_server(), self._cross_origin, self._bounds, self._metrics)

"""The door of Prometheus, and what is measured of every HTTP request."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from attrs import define, field, frozen
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as open_metrics

from gateway.telemetry.instruments import OTHER, Counter, Histogram
from gateway.telemetry.metrics import METHODS, STATUS_CLASSES, HttpMetrics, Metrics

METRICS_PATH: Final = "/metrics"
_NO_ROUTE: Final = "none"
_UPGRADED: Final = 101

WAITS: Final = web.RequestKey("waits", bool)
"""Marks a request whose answer takes as long as the client wants, or the job."""


def metrics_routes(metrics: Metrics, look: Callable[[], Awaitable[object]]) -> list[web.RouteDef]:
    """GET /metrics: the text format of Prometheus, or OpenMetrics for those who ask for it.

    `look` is done before, for what is measured only when somebody asks.
    """

    async def show(request: web.Request) -> web.Response:
        await look()
        wants_open_metrics = "application/openmetrics-text" in request.headers.get("Accept", "")
        render = _as_open_metrics if wants_open_metrics else _as_text
        # In a thread: it is milliseconds of work on strings, and figures of the process come from /proc.
        body, media_type = await asyncio.to_thread(render, metrics.instruments.registry)
        return web.Response(body=body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

    return [web.get(METRICS_PATH, show)]


def _as_text(registry: CollectorRegistry) -> tuple[bytes, str]:
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


def _as_open_metrics(registry: CollectorRegistry) -> tuple[bytes, str]:
    text = open_metrics.generate_latest(registry)  # type: ignore[no-untyped-call]
    return text, open_metrics.CONTENT_TYPE_LATEST


def _is_timed(request: web.Request, status: int) -> bool:
    """Whether its time is ours, and not that of what it waits for."""
    # Most requests carry no mark at all, which is cheaper to see than that they do not carry this one.
    return status != _UPGRADED and not (len(request) and WAITS in request)


@frozen
class _Series:
    """Where one method on one route is counted."""

    by_class: tuple[Counter, ...]
    seconds: Histogram

    def count(self, status: int, seconds: float | None) -> None:
        self.by_class[status // 100 - 1].add()
        if seconds is not None:
            self.seconds.observe(seconds)


@define(eq=False)
class RequestMeter:
    """Measures every request by its method and its route's template, never by its path."""

    _metrics: HttpMetrics
    _series: dict[tuple[str, web.AbstractResource | None], _Series] = field(factory=dict)

    @property
    def middleware(self) -> Middleware:
        """Stands around all others, and so sees the answers that they make of errors."""

        @web.middleware
        async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
            begun = perf_counter()
            status = 500
            try:
                answer = await handler(request)
                status = answer.status
            finally:
                seconds = perf_counter() - begun if _is_timed(request, status) else None
                self._series_of(request).count(status, seconds)
            return answer

        return measure

    def _series_of(self, request: web.Request) -> _Series:
        method = request.method if request.method in METHODS else OTHER
        key = (method, request.match_info.route.resource)
        if key not in self._series:
            self._series[key] = self._new_series(*key)
        return self._series[key]

    def _new_series(self, method: str, resource: web.AbstractResource | None) -> _Series:
        route = resource.canonical if resource is not None else _NO_ROUTE
        requests = self._metrics.requests
        return _Series(
            tuple(requests.of(method=method, route=route, status=each) for each in STATUS_CLASSES),
            self._metrics.request_seconds.of(method=method, route=route),
        )

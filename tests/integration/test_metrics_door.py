"""The door of Prometheus, and what is measured of requests."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from gateway.api.metrics import RequestMeter, metrics_routes
from gateway.api.problems import answer_errors
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.settings import MetricsSettings
from tests.patience import PATIENCE_S

# What a Prometheus of 2025 asks with.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(MetricsSettings())


@pytest.fixture
async def client(metrics: Metrics) -> AsyncIterator[TestClient]:
    application = web.Application(middlewares=[RequestMeter(metrics.http).middleware, answer_errors])
    application.add_routes(
        [*metrics_routes(metrics, look), web.get("/things/{thing}", thing), web.get("/ws", follow)]
    )
    async with TestClient(TestServer(application)) as client:
        yield client


async def look() -> None:
    pass


async def thing(request: web.Request) -> web.Response:
    if request.match_info["thing"] == "broken":
        raise RuntimeError
    return web.Response()


async def follow(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close()
    return socket


def requests(metrics: Metrics, route: str, status: str = "2xx", method: str = "GET") -> float | None:
    labels = {"method": method, "route": route, "status": status}
    return metrics.instruments.registry.get_sample_value("gateway_http_requests_total", labels)


async def test_metrics_are_told_in_the_text_format(client: TestClient) -> None:
    async with client.get("/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "gateway_build_info" in {family.name for family in parse_text(await answer.text())}


async def test_metrics_are_told_as_open_metrics_to_who_asks_for_it(client: TestClient) -> None:
    async with client.get("/metrics", headers={"Accept": PROMETHEUS}) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert "gateway_build_info" in {family.name for family in parse_open_metrics(await answer.text())}


@pytest.mark.parametrize(
    "accept", ["*/*", "text/html", "application/openmetrics-text; version=zzz", ";;=,", ""]
)
async def test_whatever_is_asked_for_there_is_an_answer(client: TestClient, accept: str) -> None:
    async with client.get("/metrics", headers={"Accept": accept}) as answer:
        assert answer.status == 200


async def test_metrics_are_kept_by_no_cache(client: TestClient) -> None:
    async with client.get("/metrics") as answer:
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_request_counts_by_its_routes_template(client: TestClient, metrics: Metrics) -> None:
    for name in ("a", "b"):
        await client.get(f"/things/{name}?token=secret")
    assert requests(metrics, "/things/{thing}") == 2
    async with client.get("/metrics") as answer:
        assert "secret" not in await answer.text()


async def test_a_request_is_timed(client: TestClient, metrics: Metrics) -> None:
    await client.get("/things/a")
    labels = {"method": "GET", "route": "/things/{thing}"}
    assert metrics.instruments.registry.get_sample_value("gateway_http_request_seconds_count", labels) == 1


async def test_what_is_nowhere_counts_without_its_path(client: TestClient, metrics: Metrics) -> None:
    for number in range(3):
        await client.get(f"/nowhere/{number}")
    assert requests(metrics, "none", "4xx") == 3


async def test_a_crash_counts_as_the_answer_that_is_made_of_it(client: TestClient, metrics: Metrics) -> None:
    await client.get("/things/broken")
    assert requests(metrics, "/things/{thing}", "5xx") == 1


async def test_methods_that_nobody_knows_count_together(client: TestClient, metrics: Metrics) -> None:
    for method in ("PROPFIND", "TRACE", "LINK"):
        await client.request(method, "/things/a")
    assert requests(metrics, "none", "4xx", method="other") == 3


async def test_a_websocket_counts_but_is_not_timed(client: TestClient, metrics: Metrics) -> None:
    socket = await client.ws_connect("/ws")
    await socket.receive()
    await socket.close()
    async with asyncio.timeout(PATIENCE_S):
        while requests(metrics, "/ws", "1xx") != 1:
            await asyncio.sleep(0.01)
    labels = {"method": "GET", "route": "/ws"}
    assert not metrics.instruments.registry.get_sample_value("gateway_http_request_seconds_count", labels)

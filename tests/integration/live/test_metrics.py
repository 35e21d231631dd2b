"""Those who follow or wait, as the metrics count them, and that their time is none of the gateway's."""

import asyncio
from collections.abc import Mapping

import pytest

from tests.servers.quiet_gateway import QuietGateway
from tests.streamed_answers import streamed

BATCH = "/api/v1/batch/{job_id}"


def value(quiet: QuietGateway, name: str, labels: Mapping[str, str] = {}) -> float:
    registry = quiet.context.metrics.instruments.registry
    return registry.get_sample_value(f"gateway_{name}", dict(labels)) or 0


async def until(quiet: QuietGateway, name: str, expected: float, labels: Mapping[str, str] = {}) -> None:
    async with asyncio.timeout(5):
        while value(quiet, name, labels) != expected:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("door", ["events", "results?follow=true"])
async def test_who_follows_by_http_is_a_subscriber_until_gone(quiet: QuietGateway, door: str) -> None:
    job = await quiet.accept()
    async with streamed(quiet.port, f"/api/v1/batch/{job.job_id}/{door}"):
        assert value(quiet, "subscribers") == 1
    await until(quiet, "subscribers", 0)


async def test_who_follows_by_websocket_is_one_too(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with quiet.http.ws_connect(f"/api/v1/batch/{job.job_id}/ws"):
        assert value(quiet, "subscribers") == 1
    await until(quiet, "subscribers", 0)


async def test_a_stream_counts_as_a_request_but_is_not_timed(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    await quiet.complete(job.job_id, 0)
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}/events") as answer:
        await answer.read()
    route = {"method": "GET", "route": f"{BATCH}/events"}
    await until(quiet, "http_requests_total", 1, {**route, "status": "2xx"})
    assert value(quiet, "http_request_seconds_count", route) == 0


async def test_a_poll_that_waits_is_not_timed_and_one_that_does_not_is(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    route = {"method": "GET", "route": BATCH}
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}") as answer:
        seen = (await answer.json())["id"]
    await until(quiet, "http_request_seconds_count", 1, route)
    query = {"wait": "1", "after": seen}
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}", params=query) as answer:
        await answer.read()
    await until(quiet, "http_requests_total", 2, {**route, "status": "2xx"})
    assert value(quiet, "http_request_seconds_count", route) == 1

"""Those who follow or wait, as the metrics count them, and that their time is none of the gateway's."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from gateway.events.settings import SHORTEST_HEARTBEAT_S, SubscriberSettings
from tests.patience import PATIENCE_S
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.streamed_answers import streamed

BATCH: Final = "/api/v1/batch/{job_id}"
BOUNDS: Final = ("gateway", "job", "address")


def value(quiet: QuietGateway, name: str, labels: Mapping[str, str] = {}) -> float:
    registry = quiet.context.metrics.instruments.registry
    return registry.get_sample_value(f"gateway_{name}", dict(labels)) or 0


async def until(quiet: QuietGateway, name: str, expected: float, labels: Mapping[str, str] = {}) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while value(quiet, name, labels) != expected:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("door", "path"), [("events", "/events"), ("results", "/results?follow=true")], ids=["events", "results"]
)
async def test_who_follows_by_http_is_a_subscriber_until_gone(
    quiet: QuietGateway, door: str, path: str
) -> None:
    job = await quiet.accept()
    async with streamed(quiet.port, f"/api/v1/batch/{job.job_id}{path}"):
        assert value(quiet, "subscribers", {"door": door}) == 1
    await until(quiet, "subscribers", 0, {"door": door})


async def test_who_follows_by_websocket_is_one_too(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with quiet.http.ws_connect(f"/api/v1/batch/{job.job_id}/ws"):
        assert value(quiet, "subscribers", {"door": "websocket"}) == 1
    await until(quiet, "subscribers", 0, {"door": "websocket"})


async def test_who_follows_many_jobs_by_one_websocket_counts_once(quiet: QuietGateway) -> None:
    async with quiet.http.ws_connect("/api/v1/ws") as socket:
        for _ in range(2):
            await socket.send_json({"type": "subscribe", "job_id": (await quiet.accept()).job_id})
            await socket.receive_json()
        assert value(quiet, "subscribers", {"door": "many"}) == 1
    await until(quiet, "subscribers", 0, {"door": "many"})


async def test_messages_are_counted_while_one_follows(tmp_path: Path) -> None:
    """And not only once it has left, which may be in months."""
    subscribers = SubscriberSettings(heartbeat_s=SHORTEST_HEARTBEAT_S)
    async with quiet_gateway(tmp_path, subscribers=subscribers) as quiet:
        job = await quiet.accept()
        async with quiet.http.ws_connect(f"/api/v1/batch/{job.job_id}/ws") as socket:
            for _ in range(3):
                await socket.receive_json(timeout=PATIENCE_S)
            assert value(quiet, "websocket_messages_sent_total") >= 3


async def test_who_waits_for_news_is_one_until_answered(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    path = BATCH.format(job_id=job.job_id)
    async with quiet.http.get(path) as answer:
        seen = (await answer.json())["id"]
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(quiet.http.get(path, params={"wait": "60", "after": seen}))
        await until(quiet, "subscribers", 1, {"door": "poll"})
        await quiet.complete(job.job_id, 0)
        (await waiting).release()
    await until(quiet, "subscribers", 0, {"door": "poll"})


async def test_who_sends_a_batch_and_follows_it_is_one(quiet: QuietGateway) -> None:
    headers = {"Content-Type": "image/jpeg", "Accept": "text/event-stream"}
    async with quiet.http.post("/api/v1/batch", data=plain("JPEG"), headers=headers):
        assert value(quiet, "subscribers", {"door": "submit"}) == 1
    await until(quiet, "subscribers", 0, {"door": "submit"})


@pytest.mark.parametrize(
    ("bound", "limit"),
    [("gateway", "max_connections"), ("job", "max_per_job"), ("address", "max_per_address")],
)
async def test_who_is_refused_is_counted_by_the_bound_met(tmp_path: Path, bound: str, limit: str) -> None:
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(**{limit: 1})) as quiet:
        path = f"/api/v1/batch/{(await quiet.accept()).job_id}/events"
        async with streamed(quiet.port, path), quiet.http.get(path) as refused:
            assert refused.status == 429
        counted = {name: value(quiet, "subscribers_refused_total", {"bound": name}) for name in BOUNDS}
        assert counted == {name: int(name == bound) for name in BOUNDS}


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

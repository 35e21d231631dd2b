"""Crashes and overtakings at just the wrong moment, each brought about for real; docs/reliability.md lists them all."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import evolve
from yarl import URL

from tests.following import follow
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg
from tests.servers.gateway import running_gateway
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.s3 import plain_client
from tests.servers.system import Place, gateway_at
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy
from tests.servers.wire import Wire, patiently, wire
from tests.submitting import Fields, half_an_upload, job_of, submit_files

FAST: dict[str, Any] = {"jobs_poll_s": 0.1, "jobs_watch_every_s": 0.2}
NOTHING = {"original": set[str](), "processed": set[str](), ".tmp": set[str]()}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


@pytest.fixture
async def line(place: Place) -> AsyncIterator[Wire]:
    async with wire(place.broker_url) as line:
        yield line


@pytest.fixture
async def proxy(rabbitmq: RabbitMQ) -> AsyncIterator[TcpProxy]:
    """Before the broker."""
    async with tcp_proxy(rabbitmq.port) as proxy:
        yield proxy


def seen_through(proxy: TcpProxy, place: Place) -> Place:
    return evolve(place, broker_url=str(URL(place.broker_url).with_port(proxy.port)))


async def the_answer_of(line: Wire, place: Place) -> Fields:
    """A processor's result of the image that was published, with its object where it says."""
    message = (await line.take("image_upload")).json
    path = f"{message['trace_id']}/{message['original_filename']}"
    async with plain_client(place.store) as storage:
        await storage.put_object(Bucket="processed", Key=path, Body=a_jpeg())
    fields = ("timestamp", "trace_id", "group_id", "original_filename", "telegram_id")
    result = {name: message[name] for name in fields}
    return result | {"telegram_username": "", "processed_path": path, "status": "completed"}


async def test_a_crash_between_the_put_and_the_commit_leaves_no_object(tmp_path: Path, http):
    async with running_gateway(tmp_path / "data") as gateway:
        upload = await half_an_upload(gateway)
        await gateway.kill()
        assert gateway.objects["original"]
        await gateway.start()
        upload.close()
        async for _ in patiently("an empty store"):
            if gateway.objects == NOTHING:
                break
        async with http.get(gateway.url("/api/v1/batch")) as answer:
            assert (await answer.json())["total"] == 0


async def test_a_crash_between_the_commit_and_the_publish_forgets_no_image(
    tmp_path: Path, http, place: Place, line: Wire, proxy: TcpProxy
):
    async with gateway_at(seen_through(proxy, place), tmp_path, **FAST) as gateway:
        await proxy.refuse()
        job_id = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg()), ("b.jpg", a_jpeg())])
        await gateway.kill()
        assert await line.depth("image_upload") == (0, 0)
        await proxy.listen()
        await gateway.start()
        published = [(await line.take("image_upload")).json for _ in range(2)]
        images = (await job_of(http, gateway.base_url, job_id))["images"]
    assert {message["trace_id"] for message in published} == {image["trace_id"] for image in images}
    assert {message["group_id"] for message in published} == {job_id}


async def test_a_result_that_overtakes_the_confirm_of_its_publish_counts_and_nothing_is_sent_again(
    tmp_path: Path, http, place: Place, line: Wire, proxy: TcpProxy
):
    async with gateway_at(seen_through(proxy, place), tmp_path, **FAST) as gateway:
        proxy.hold_answers_to(b'"original_path"')
        job_id = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
        result = await the_answer_of(line, place)
        async for _ in patiently("a confirm that is held back"):
            if proxy.holds_back:
                break
        assert (await job_of(http, gateway.base_url, job_id))["status"] == "pending"
        await line.publish("image_processed", json.dumps(result).encode(), content_type="application/json")
        async with asyncio.timeout(PATIENCE_S):
            await follow(http, gateway.base_url, job_id)
        ended = await job_of(http, gateway.base_url, job_id)
        assert (ended["status"], ended["images"][0]["processed_path"]) == (
            "completed",
            result["processed_path"],
        )
        proxy.flow()
        other = await submit_files(http, gateway.base_url, [("b.jpg", a_jpeg())])
        assert (await line.take("image_upload")).json["group_id"] == other
        assert await job_of(http, gateway.base_url, job_id) == ended

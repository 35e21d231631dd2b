"""`gateway worker analyzer` and `gateway worker processor` as processes of their own, on a real RabbitMQ and a real S3:
they do one message after the other, lose none however they end, and say the truth about themselves.
"""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from attrs import evolve

from gateway.analyzer.settings import AnalyzerSettings
from tests.free_ports import free_port
from tests.golden import golden
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg
from tests.servers.rabbitmq import HOST
from tests.servers.s3 import S3Server, plain_client
from tests.servers.system import Names, Part, Program, launched, running, worker
from tests.servers.wire import Wire, wire

TALKATIVE = {"LOG_LEVEL": "debug"}
QUEUES: dict[Part, tuple[str, str]] = {
    "analyzer": ("image_upload", "metadata_generated"),
    "processor": ("metadata_generated", "image_processed"),
}
MESSAGES: dict[Part, dict[str, Any]] = {
    "analyzer": golden("image_upload.accepted")[0],
    "processor": golden("metadata_generated")[0],
}

each_part = pytest.mark.parametrize("part", ["analyzer", "processor"])


@pytest.fixture
async def line(rabbitmq_url: str) -> AsyncIterator[Wire]:
    async with wire(rabbitmq_url) as line:
        await line.declare_as_the_services_do()
        yield line


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


async def keep_original(store: S3Server, part: Part) -> None:
    async with plain_client(store) as client:
        key = json.loads(MESSAGES[part]["body"])["original_path"]
        await client.put_object(Bucket="original", Key=key, Body=a_jpeg())


async def send(line: Wire, part: Part, messages: int = 1) -> None:
    for _ in range(messages):
        await line.publish(QUEUES[part][0], MESSAGES[part]["body"].encode())


async def has_one_in_hand(line: Wire, store: S3Server, program: Program, part: Part) -> None:
    """The object store hangs, so that it can't be done with it."""
    os.kill(store.pid, signal.SIGSTOP)
    await send(line, part)
    async with asyncio.timeout(PATIENCE_S):
        while "message in hand" not in program.output():
            await asyncio.sleep(0.02)


async def until_ready_is(http: aiohttp.ClientSession, program: Program, status: int) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with http.get(program.url("/readyz")) as answer:
                    report: dict[str, Any] = await answer.json()
                    if answer.status == status:
                        return report
            except aiohttp.ClientConnectionError:
                assert program.process.returncode is None, program.output()
            await asyncio.sleep(0.02)


async def answer(line: Wire, part: Part) -> dict[str, Any]:
    return (await line.take(QUEUES[part][1])).json


# --- at work


@each_part
async def test_it_does_what_the_message_asks_and_writes_no_file(part: Part, place, own_store, line, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    async with running(worker(part, "ours", place, tmp_path, HOME=str(home), XDG_DATA_HOME=str(home))):
        await keep_original(own_store, part)
        await send(line, part)
        assert (await answer(line, part))["trace_id"] == json.loads(MESSAGES[part]["body"])["trace_id"]
    assert list(home.iterdir()) == []


async def test_it_has_as_many_consumers_and_messages_in_hand_as_it_is_told(place, own_store, line, tmp_path):
    told = {"WORKER_CONCURRENCY": "3", "RABBITMQ_PREFETCH_COUNT": "2"}
    async with running(worker("analyzer", "ours", place, tmp_path, **told)):
        await line.has_consumers("image_upload", 3)
        os.kill(own_store.pid, signal.SIGSTOP)
        await send(line, "analyzer", messages=8)
        await line.holds("image_upload", 2)
        os.kill(own_store.pid, signal.SIGCONT)


async def test_it_makes_the_queues_that_it_uses_and_no_other(place, rabbitmq, rabbitmq_vhost, tmp_path):
    names = Names(image_upload="batch.in", metadata_generated="batch.out")
    async with running(worker("analyzer", "ours", evolve(place, names=names), tmp_path)):
        listed = await rabbitmq.ctl("list_queues", "--vhost", rabbitmq_vhost, "name", "--no-table-headers")
        assert set(listed.split()) == {"batch.in", "batch.out", "dead_letter_queue"}


async def test_two_of_them_share_the_work(place, own_store, line, tmp_path):
    (tmp_path / "second").mkdir()
    async with (
        running(worker("analyzer", "ours", place, tmp_path, WORKER_CONCURRENCY="1")),
        running(worker("analyzer", "ours", place, tmp_path / "second", WORKER_CONCURRENCY="1")),
    ):
        await keep_original(own_store, "analyzer")
        os.kill(own_store.pid, signal.SIGSTOP)
        await send(line, "analyzer", messages=2)
        await line.holds("image_upload", 0)
        os.kill(own_store.pid, signal.SIGCONT)
        await line.holds("metadata_generated", 2)


# --- how it ends


@each_part
async def test_at_a_stop_the_image_in_hand_is_finished(part: Part, place, own_store, line, tmp_path):
    async with running(worker(part, "ours", place, tmp_path, **TALKATIVE)) as program:
        await keep_original(own_store, part)
        await has_one_in_hand(line, own_store, program, part)
        stopping = asyncio.create_task(program.stop())
        await line.has_consumers(QUEUES[part][0], 1)
        os.kill(own_store.pid, signal.SIGCONT)
        assert (await stopping).code == 0
        await answer(line, part)
        assert await line.depth(QUEUES[part][0]) == (0, 0)


@each_part
async def test_at_a_stop_an_image_that_takes_too_long_is_given_back(
    part: Part, place, own_store, line, tmp_path
):
    limit = {f"GATEWAY_{part.upper()}_STOP_TIMEOUT_S": "300ms"}
    async with running(worker(part, "ours", place, tmp_path, **limit, **TALKATIVE)) as program:
        await has_one_in_hand(line, own_store, program, part)
        ended = await program.stop()
        assert ended.code == 0
        assert ended.seconds < AnalyzerSettings().stop_timeout_s  # by far, or the limit was not heeded
        await line.holds(QUEUES[part][0], 1)
        os.kill(own_store.pid, signal.SIGCONT)


async def test_the_second_signal_ends_it_at_once(place, own_store, line, tmp_path, http):
    async with running(worker("analyzer", "ours", place, tmp_path, **TALKATIVE)) as program:
        await has_one_in_hand(line, own_store, program, "analyzer")
        program.process.send_signal(signal.SIGTERM)
        report = await until_ready_is(http, program, 503)
        assert report["warnings"] == ["the analyzer is stopping"]
        assert (await program.stop()).code == -signal.SIGTERM
        os.kill(own_store.pid, signal.SIGCONT)


@each_part
async def test_what_a_killed_one_had_in_hand_another_does(part: Part, place, own_store, line, tmp_path):
    async with running(worker(part, "ours", place, tmp_path, **TALKATIVE)) as program:
        await keep_original(own_store, part)
        await has_one_in_hand(line, own_store, program, part)
        await program.kill()
        await line.holds(QUEUES[part][0], 1)
        os.kill(own_store.pid, signal.SIGCONT)
        await program.start()
        await answer(line, part)


# --- what it says of itself


async def test_it_tells_when_the_object_store_is_away_and_when_it_is_back(
    place, own_store, line, tmp_path, http
):
    own_store.stop()
    program = worker("processor", "ours", place, tmp_path)
    async with launched(program):
        report = await until_ready_is(http, program, 503)
        assert {name: check["status"] for name, check in report["checks"].items()} == {
            "object_store": "failing",
            "broker": "ok",
        }
        own_store.start()
        assert (await until_ready_is(http, program, 200))["warnings"] == []


async def test_it_starts_without_the_broker_and_tells_so(place, tmp_path, http):
    nowhere = evolve(place, broker_url=f"amqp://guest:guest@{HOST}:{free_port()}/")
    program = worker("analyzer", "ours", nowhere, tmp_path)
    async with launched(program):
        report = await until_ready_is(http, program, 503)
        assert report["checks"]["broker"]["status"] == "failing"
        assert "guest" not in json.dumps(report)
        async with http.get(program.url("/healthz")) as alive:
            assert (alive.status, await alive.json()) == (200, {"status": "ok"})
        assert (await program.stop()).code == 0


async def test_it_answers_nothing_of_the_gateway(place, tmp_path, http):
    async with (
        running(worker("analyzer", "ours", place, tmp_path)) as program,
        http.get(program.url("/api/v1/batch")) as answered,
    ):
        assert (answered.status, answered.content_type) == (404, "application/problem+json")


async def test_a_port_that_is_taken_is_one_line(place, tmp_path):
    async with running(worker("analyzer", "ours", place, tmp_path)) as first:
        second = evolve(first, log=tmp_path / "second.log", process=None)
        await second.launch()
        assert await asyncio.wait_for(second.process.wait(), PATIENCE_S) == 1
        lines = [line for line in second.output().splitlines() if line.startswith("gateway: ")]
        where = f"http://0.0.0.0:{first.port} (analyzer.http_host, analyzer.http_port, HTTP_PORT)"
        assert lines == [f"gateway: can't listen on {where}: Address already in use"]


async def test_no_secret_is_logged_not_even_for_debugging(place, own_store, line, tmp_path):
    async with running(worker("processor", "ours", place, tmp_path, **TALKATIVE)) as program:
        await keep_original(own_store, "processor")
        await send(line, "processor")
        await answer(line, "processor")
        assert "message in hand" in program.output()
        assert not re.search(
            f"{own_store.access_key}|{own_store.secret_key}|guest:guest|Authorization", program.output()
        )

"""A promise is given after what it rests on lies on the disk: by the order of the gateway's own system calls.

Each test names the calls in the order in which they must be, each begun only once the one before had returned, down to
the one that gives the promise: the bytes of a 201 to the client, or of an ack to RabbitMQ.
"""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp

from tests.golden import golden
from tests.photos import a_jpeg
from tests.servers.gateway import running_gateway
from tests.servers.s3 import S3Server
from tests.servers.system import Place, gateway_at
from tests.servers.web import image, web_server
from tests.servers.wire import replaced, wire
from tests.submitting import job_of, submit_files, submit_json
from tests.system_calls import (
    MAKES,
    READS,
    RENAMES,
    SYNCS,
    WRITES,
    Call,
    Trace,
    strace_from_the_start,
    traced,
)

LOG = r"/jobs\.sqlite-wal$"
A_SOCKET = r"^TCP:"
AN_ACK = "\x00\x00\x00\x0d\x00\x3c\x00\x50"
"""Within a frame of AMQP: its length, class 60, method 80."""
OUR_BYTES = a_jpeg()[-200:-100].decode("latin-1")
"""Of the photo's middle, like no other bytes."""


def answer_201(trace: Trace) -> Call:
    return trace.first(*WRITES, of=A_SOCKET, says="HTTP/1.1 201 Created")


def commit_of(trace: Trace, words: str, after: Call | None = None) -> list[Call]:
    """The row with these words goes into SQLite's log, then the log is synced."""
    row = trace.first(*WRITES, of=LOG, says=words, after=after)
    return [row, trace.first(*SYNCS, of=LOG, after=row)]


def follow_one_another(calls: list[Call]) -> bool:
    return all(one.returned < other.begun for one, other in pairwise(calls))


async def test_an_object_and_its_folders_are_synced_before_the_201(tmp_path: Path):
    async with running_gateway(tmp_path / "data") as gateway, aiohttp.ClientSession() as http:
        async with traced(gateway.process.pid, tmp_path) as trace:
            job_id = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
        (image,) = (await job_of(http, gateway.base_url, job_id))["images"]
    written = trace.first(*WRITES, of=r"/objects/\.tmp/", says=OUR_BYTES)
    temporary, folder = written.of, f"/objects/original/{image['trace_id']}"
    placed = trace.first(*RENAMES, says=f'{folder}>, "original.jpg"')
    assert temporary in placed.text
    assert follow_one_another(
        [
            written,
            trace.first(*SYNCS, of=f"{temporary}$"),
            placed,
            trace.first(*SYNCS, of=f"{folder}$"),
            trace.first(*SYNCS, of="/objects/original$", after=placed),
            answer_201(trace),
        ]
    )


async def test_the_folders_of_a_first_start_are_synced_into_those_above_before_the_201(tmp_path: Path):
    trace = Trace(tmp_path / "strace")
    strace = strace_from_the_start(tmp_path / "strace", *MAKES, *SYNCS, *WRITES)
    data, deep = tmp_path / "data", tmp_path / "data" / "deep"
    async with (
        running_gateway(data, *strace, object_store_path=deep / "objects") as gateway,
        aiohttp.ClientSession() as http,
    ):
        await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
        await trace.until(*WRITES, of=A_SOCKET, says="HTTP/1.1 201 Created")
    for folder in (data, deep, deep / "objects", deep / "objects" / "original"):
        made = trace.first(*MAKES, says=f'"{folder}"')
        synced = trace.first(*SYNCS, of=f"^{folder.parent}$", after=made)
        assert follow_one_another([made, synced, answer_201(trace)])


async def test_the_job_is_synced_before_the_201(tmp_path: Path):
    async with (
        running_gateway(tmp_path / "data") as gateway,
        aiohttp.ClientSession() as http,
        traced(gateway.process.pid, tmp_path) as trace,
    ):
        job_id = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
    placed = trace.first(*RENAMES, says="original.jpg")
    assert follow_one_another([placed, *commit_of(trace, job_id), answer_201(trace)])


async def test_the_url_of_an_image_is_synced_before_the_201(tmp_path: Path):
    async with (
        web_server({"/a.jpg": image(a_jpeg(), "image/jpeg")}) as site,
        running_gateway(tmp_path / "data") as gateway,
        aiohttp.ClientSession() as http,
        traced(gateway.process.pid, tmp_path) as trace,
    ):
        await submit_json(http, gateway.base_url, [{"url": site.url("/a.jpg")}])
    assert follow_one_another([*commit_of(trace, site.url("/a.jpg")), answer_201(trace)])


async def test_s3_has_said_that_it_has_the_object_and_the_job_is_synced_before_the_201(
    tmp_path: Path, own_store: S3Server
):
    settings: dict[str, Any] = {f"object_store_{key}": value for key, value in own_store.options().items()}
    async with (
        running_gateway(tmp_path / "data", object_store_kind="s3", **settings) as gateway,
        aiohttp.ClientSession() as http,
        traced(gateway.process.pid, tmp_path) as trace,
    ):
        job_id = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
    sent = trace.first(*WRITES, of=A_SOCKET, says="PUT /")
    body = trace.first(*WRITES, of=A_SOCKET, says=OUR_BYTES)
    said = trace.first(*READS, of=f"^{re.escape(sent.of)}$", says="HTTP/1.1 200", after=body)
    assert follow_one_another([body, said, *commit_of(trace, job_id), answer_201(trace)])


async def test_the_end_of_an_image_is_synced_before_its_result_is_acked(tmp_path: Path, place: Place):
    reason = "a reason like no other"
    async with (
        gateway_at(place, tmp_path) as gateway,
        wire(place.broker_url) as line,
        aiohttp.ClientSession() as http,
    ):
        job_id = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
        sent = (await line.take("image_upload")).json
        (golden_result,) = golden("image_processed.failed-missing-object")
        result = replaced(golden_result, trace_id=sent["trace_id"], group_id=job_id, error=reason)
        async with traced(gateway.process.pid, tmp_path) as trace:
            await line.publish("image_processed", result, content_type="application/json")
            await trace.until(*WRITES, of=A_SOCKET, says=AN_ACK)
    taken = trace.first(*READS, of=A_SOCKET, says=reason)
    ack = trace.first(*WRITES, of=A_SOCKET, says=AN_ACK)
    assert follow_one_another([taken, *commit_of(trace, reason), ack])


async def test_a_dead_letter_is_kept_and_synced_before_it_is_acked(tmp_path: Path, place: Place):
    moment = "2031-02-03T04:05:06Z"
    async with (
        gateway_at(place, tmp_path, jobs_watch_every_s=0.2) as gateway,
        wire(place.broker_url) as line,
        aiohttp.ClientSession() as http,
    ):
        job_id = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
        sent = (await line.take("image_upload")).json
        (golden_letter,) = golden("dead_letter.image_upload")
        letter = replaced(golden_letter, timestamp=moment, trace_id=sent["trace_id"], group_id=job_id)
        async with traced(gateway.process.pid, tmp_path) as trace:
            await line.publish("dead_letter_queue", letter, content_type="application/json")
            await trace.until(*WRITES, of=A_SOCKET, says=AN_ACK)
    taken = trace.first(*READS, of=A_SOCKET, says=moment)
    ack = trace.first(*WRITES, of=A_SOCKET, says=AN_ACK)
    assert follow_one_another([taken, *commit_of(trace, moment), ack])

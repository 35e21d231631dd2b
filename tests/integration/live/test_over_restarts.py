"""Jobs of a real gateway, followed over its SIGKILL: each image ends once, whoever follows by whatever."""

import asyncio
import json
import sqlite3
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.curl import curl
from tests.following import follow
from tests.integration.live.jobs_socket import PATH as MANY_JOBS
from tests.integration.live.jobs_socket import JobsSocket
from tests.patience import PATIENCE_S
from tests.servers.gateway import Gateway
from tests.servers.raw_http import connection, head
from tests.streamed_answers import ServerSentEvent, StreamedAnswer, answered, streamed

BROKEN: Final = (asyncio.IncompleteReadError, ConnectionResetError)


# The gateway is down for a while: signs of life may come before and after that, for which nothing is to be made.


async def next_event(answer: StreamedAnswer) -> ServerSentEvent | None:
    while (event := await answer.event()) is not None and event.kind == "heartbeat":
        pass
    return event


async def events_to_the_end(answer: StreamedAnswer) -> list[ServerSentEvent]:
    events = []
    while (event := await next_event(answer)) is not None:
        events.append(event)
    return events


async def events_until_it_breaks(answer: StreamedAnswer) -> list[ServerSentEvent]:
    events = []
    with suppress(*BROKEN):
        while (event := await next_event(answer)) is not None:
            events.append(event)
    return events


async def next_result(answer: StreamedAnswer) -> Any:
    while not (line := await answer.text()):
        assert line is not None
    return json.loads(line)


def without_signs_of_life(told: list[Any]) -> list[Any]:
    """Of a job a state is one that comes once more, under the id of what came before it."""
    messages = [message for message in told if message["type"] != "heartbeat"]
    repeats = [
        (message["type"], message["id"]) == ("progress", before["id"]) and "resumed" not in message
        for before, message in pairwise(messages)
    ]
    return [message for message, is_one in zip(messages, [False, *repeats], strict=True) if not is_one]


def each_image_ended_once(told: list[Any]) -> None:
    """And no position came twice, but for that which an opening says that it goes on from."""
    news = [message for message in without_signs_of_life(told) if not message.get("resumed")]
    assert sorted(message["image"]["index"] for message in news if "image" in message) == [0, 1, 2]
    positions = [int(message["id"].rpartition(":")[2]) for message in news]
    assert positions == sorted(set(positions))
    assert told[-1]["type"] == "job_complete"


async def test_a_websocket_goes_on_behind_its_last_event(
    gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    told: list[Any] = []
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(gateway.url(f"/api/v1/batch/{job_id}/ws?after=0")) as socket:
            while not told or told[-1]["type"] != "image_complete":
                told.append(await socket.receive_json(timeout=PATIENCE_S))
            await gateway.kill()
            told += [message.json() async for message in socket]
            assert socket.close_code == 1006
        may_go.set()
        await gateway.start()
        async with asyncio.timeout(PATIENCE_S):
            back = await follow(http, gateway.base_url, job_id, after=told[-1]["id"])
    assert (back.frames[0]["resumed"], back.frames[0]["id"]) == (True, told[-1]["id"])
    each_image_ended_once(told + back.frames)
    assert back.close_code == 1000


async def test_among_many_jobs_each_goes_on_and_the_list_begins_anew(
    gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    """The numbers of changes in the list are those of one life of the gateway."""
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(gateway.url(MANY_JOBS)) as websocket:
            jobs = JobsSocket(websocket)
            listed = await jobs.follow("*")
            await jobs.unsubscribe("*")
            await jobs.heard_until("unsubscribed")
            told = [await jobs.follow(job_id, after="0")]
            told += await jobs.heard_until("image_complete")
            await gateway.kill()
            assert await jobs.closed() == 1006
        may_go.set()
        await gateway.start()
        async with http.ws_connect(gateway.url(MANY_JOBS)) as websocket:
            jobs = JobsSocket(websocket)
            opening = await jobs.follow(job_id, after=told[-1]["id"])
            assert (opening["resumed"], opening["id"]) == (True, told[-1]["id"])
            each_image_ended_once([*told, opening, *await jobs.heard_until("job_complete")])
            listed_anew = await jobs.follow("*", after=listed["id"])
    assert listed_anew["resumed"] is False
    assert [(job["job_id"], job["status"]) for job in listed_anew["jobs"]] == [(job_id, "completed")]


async def test_who_sent_a_batch_and_followed_it_goes_on_at_its_events(
    gateway: Gateway, batch: bytes, may_go: asyncio.Event
) -> None:
    async with connection(gateway.port) as line:
        await line.send(sending(batch, ("Accept", "text/event-stream")))
        answer = await answered(line)
        told: list[ServerSentEvent] = []
        while not told or told[-1].kind != "image_complete":
            event = await next_event(answer)
            assert event is not None
            told.append(event)
        await gateway.kill()
        told += await events_until_it_breaks(answer)
    may_go.set()
    await gateway.start()
    path = f"{answer.headers['location']}/events"
    async with streamed(gateway.port, path, ("Last-Event-ID", told[-1].id)) as later:
        told += await events_to_the_end(later)
    each_image_ended_once([event.json for event in told])


async def test_who_waited_for_a_batch_is_answered_whole_when_it_sends_it_again(
    gateway: Gateway, batch: bytes, may_go: asyncio.Event
) -> None:
    headers = (("Prefer", "wait=60"), ("Idempotency-Key", "once"))
    async with aiohttp.ClientSession() as http, connection(gateway.port) as line:
        await line.send(sending(batch, *headers))
        job_id = await the_only_job(http, gateway)
        await gateway.kill()
        with pytest.raises(BROKEN):
            await line.answer()
    may_go.set()
    await gateway.start()
    async with connection(gateway.port) as line:
        await line.send(sending(batch, *headers))
        answer = await line.answer()
    assert (answer.status, answer.headers["idempotent-replayed"]) == (200, "true")
    assert (answer.json["job_id"], answer.json["completed"]) == (job_id, 3)


def sending(batch: bytes, *headers: tuple[str, str]) -> bytes:
    of_body = (("Content-Type", "application/json"), ("Content-Length", len(batch)))
    return head("POST", "/api/v1/batch", *of_body, *headers) + batch


async def the_only_job(http: aiohttp.ClientSession, gateway: Gateway) -> str:
    """As soon as there is one."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with http.get(gateway.url("/api/v1/batch")) as answer:
                listed = (await answer.json())["jobs"]
            if listed:
                (job,) = listed
                return str(job["job_id"])
            await asyncio.sleep(0.02)


async def test_a_store_that_was_restored_goes_on_from_no_position_of_the_one_before(
    gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    """Its log may be another one from there on, so whoever comes back begins anew, by whatever door."""
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(gateway.url(f"/api/v1/batch/{job_id}/ws?images=true")) as socket:
            seen = (await socket.receive_json(timeout=PATIENCE_S))["id"]
        await gateway.kill()
        restore(gateway.data_dir / "jobs.sqlite")
        await gateway.start()
        url = gateway.url(f"/api/v1/batch/{job_id}")
        async with http.ws_connect(f"{url}/ws", params={"after": seen, "images": "true"}) as socket:
            opening = await socket.receive_json(timeout=PATIENCE_S)
        async with streamed(
            gateway.port, f"/api/v1/batch/{job_id}/events", ("Last-Event-ID", seen)
        ) as answer:
            event = await answer.event()
        async with http.get(url, params={"wait": "60", "after": seen}) as answered_at_once:
            status = await answered_at_once.json()
    assert event is not None
    for first in (opening, event.json):
        assert first["resumed"] is False
    assert seen.partition(":")[0] not in {
        each["id"].partition(":")[0] for each in (opening, event.json, status)
    }
    assert len(opening["images"]) == 3


def restore(database: Path) -> None:
    """From a backup that was made a moment ago."""
    copy = database.with_name("backup.sqlite")
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)
    for left in database.parent.glob("jobs.sqlite*"):
        left.unlink()
    copy.rename(database)


async def test_who_says_where_it_stopped_gets_what_is_missing(
    gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    path = f"/api/v1/batch/{job_id}/events"
    async with streamed(gateway.port, f"{path}?after=0") as answer:
        before: list[ServerSentEvent] = []
        while not before or before[-1].kind != "image_complete":
            event = await next_event(answer)
            assert event is not None
            before.append(event)
        await gateway.kill()
        before += await events_until_it_breaks(answer)
    may_go.set()
    await gateway.start()
    async with streamed(gateway.port, path, ("Last-Event-ID", before[-1].id)) as answer:
        opening, *after = await events_to_the_end(answer)
    assert opening.json["resumed"] is True
    told = before + after
    assert sorted(event.json["image"]["index"] for event in told if event.kind == "image_complete") == [
        0,
        1,
        2,
    ]
    positions = [int((event.id or "").rpartition(":")[2]) for event in told]
    assert positions == sorted(set(positions))
    assert told[-1].kind == "job_complete"


async def test_results_go_on_behind_the_last_one(
    gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    path = f"/api/v1/batch/{job_id}/results?follow=true"
    async with streamed(gateway.port, path) as answer:
        first = await next_result(answer)
        await gateway.kill()
        with pytest.raises(BROKEN):
            await next_result(answer)
    may_go.set()
    await gateway.start()
    async with streamed(gateway.port, f"{path}&after={first['id']}") as answer:
        others = [json.loads(line) for line in await answer.texts() if line]
    assert first["index"] == 0
    assert sorted(other["index"] for other in others) == [1, 2]


async def test_a_long_poll_goes_on_where_it_stopped(
    gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    url, seen = gateway.url(f"/api/v1/batch/{job_id}"), "0"
    statuses: list[Any] = []
    async with aiohttp.ClientSession() as http:

        async def next_status() -> Any:
            async with http.get(url, params={"wait": "60", "after": seen}) as answer:
                return await answer.json()

        while not statuses or not statuses[-1]["completed"]:
            statuses.append(await next_status())
            seen = statuses[-1]["id"]
        await gateway.kill()
        may_go.set()
        await gateway.start()
        while statuses[-1]["status"] != "completed":
            statuses.append(await next_status())
            seen = statuses[-1]["id"]
    assert statuses[-1]["completed"] == 3


async def test_curl_shows_the_events_to_the_end(gateway: Gateway, job_id: str, may_go: asyncio.Event) -> None:
    may_go.set()
    answer = await curl("-N", gateway.url(f"/api/v1/batch/{job_id}/events?after=0"))
    kinds = [line.removeprefix(b"event: ") for line in answer.body.splitlines() if line.startswith(b"event")]
    assert kinds.count(b"image_complete") == 3
    assert kinds[-1] == b"job_complete"

"""One key, one job: over lost answers, SIGKILLs, restarts and many tries at once, with a gateway as it is run."""

import asyncio
import base64
import io
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from attrs import define, frozen

from gateway.client import GatewayClient
from tests.photos import a_jpeg, a_png, padded
from tests.servers.gateway import HOST, Gateway, running_gateway
from tests.servers.s3 import S3Server

BATCH = "/api/v1/batch"
PATIENCE_S = 120
"""A gateway that was killed starts meanwhile, and is killed again."""
KILLS = 5
CLIENTS = 4

Images = Sequence[tuple[str, bytes]]


@frozen
class Answer:
    """What a client reads of one."""

    status: int
    body: bytes
    location: str | None
    is_repeat: bool

    @property
    def first(self) -> tuple[object, ...]:
        """What is the same in all answers to one key."""
        return self.status, self.body, self.location


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path / "data") as gateway:
        yield gateway


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


async def post(http: aiohttp.ClientSession, gateway: Gateway, key: str, **request: Any) -> Answer:
    async with http.post(gateway.url(BATCH), headers={"Idempotency-Key": key}, **request) as answer:
        return Answer(
            answer.status,
            await answer.read(),
            answer.headers.get("Location"),
            answer.headers.get("Idempotent-Replayed") == "true",
        )


def as_form(*images: tuple[str, bytes]) -> dict[str, Any]:
    """With a border of its own."""
    form = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    for name, content in images:
        form.add_field("images", io.BytesIO(content), filename=name)
    return {"data": form}


def as_json(*images: tuple[str, bytes]) -> dict[str, Any]:
    encoded = [{"base64": base64.b64encode(content).decode(), "name": name} for name, content in images]
    document = io.BytesIO(json.dumps({"images": encoded}).encode())
    return {"data": aiohttp.BytesIOPayload(document, content_type="application/json")}


async def jobs(http: aiohttp.ClientSession, gateway: Gateway) -> dict[str, Any]:
    """All of them, by their ids."""
    found: dict[str, Any] = {}
    query = {"images": "true"}
    while True:
        async with http.get(gateway.url(BATCH), params=query) as answer:
            page = await answer.json()
        found |= {job["job_id"]: job for job in page["jobs"]}
        if "next_cursor" not in page:
            return found
        query["cursor"] = page["next_cursor"]


async def a_job_is_there(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await jobs(http, gateway):
            await asyncio.sleep(0.005)


async def only_the_objects_of_jobs_are_there(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    """Once all jobs have ended."""
    async with asyncio.timeout(PATIENCE_S):
        while not _are_settled(await jobs(http, gateway), gateway.objects):
            await asyncio.sleep(0.1)


def _are_settled(found: dict[str, Any], objects: dict[str, set[str]]) -> bool:
    images = [image for job in found.values() for image in job["images"]]
    trace_ids = {image["trace_id"] for image in images if "sha256" in image}
    has_ended = all(job["progress"] == 100 for job in found.values())
    originals = sorted(key.partition("/")[0] for key in objects["original"])
    return has_ended and originals == sorted(trace_ids) and not objects[".tmp"]


async def reservations_left(gateway: Gateway) -> int:
    """In the file of a gateway that was stopped in order: those that wait for requests are given back."""
    await gateway.stop()
    connection = sqlite3.connect(gateway.data_dir / "jobs.sqlite")
    try:
        return int(connection.execute("SELECT count(*) FROM reservations").fetchone()[0])
    finally:
        connection.close()


@asynccontextmanager
async def sent_raw(gateway: Gateway, key: str, content: bytes, size: int) -> AsyncIterator[None]:
    """So many bytes of a raw image on their way; whatever is answered, nobody reads it."""
    head = (
        f"POST {BATCH}?name=a.jpg HTTP/1.1\r\nHost: gateway\r\nIdempotency-Key: {key}\r\n"
        f"Content-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection(HOST, gateway.port)
    try:
        writer.write(head.encode() + content[:size])
        await writer.drain()
        yield
    finally:
        writer.close()


async def test_an_answer_that_a_sigkill_has_lost_is_given_again(gateway: Gateway, http) -> None:
    async with sent_raw(gateway, "k", a_jpeg(), len(a_jpeg())):
        await a_job_is_there(http, gateway)
        await gateway.kill()
    await gateway.start()
    again = await post(http, gateway, "k", **as_form(("a.jpg", a_jpeg())))
    assert (again.status, again.is_repeat) == (201, True)
    (job_id,) = await jobs(http, gateway)
    assert again.location == f"{BATCH}/{job_id}"
    await only_the_objects_of_jobs_are_there(http, gateway)
    assert await reservations_left(gateway) == 0


async def test_an_upload_that_a_sigkill_has_cut_leaves_its_key_free(gateway: Gateway, http) -> None:
    large = padded(a_jpeg(), 5_000_000)
    async with sent_raw(gateway, "k", large, 4_000_000):
        async with asyncio.timeout(PATIENCE_S):
            while not gateway.objects[".tmp"]:
                await asyncio.sleep(0.005)
        await gateway.kill()
    await gateway.start()
    answer = await post(http, gateway, "k", **as_form(("a.jpg", large)))
    assert (answer.status, answer.is_repeat) == (201, False)
    assert len(await jobs(http, gateway)) == 1
    await only_the_objects_of_jobs_are_there(http, gateway)


async def test_the_answer_is_the_same_after_a_restart_in_another_form_and_when_the_job_has_ended(
    gateway: Gateway, http
) -> None:
    images = ("a.jpg", a_jpeg()), ("größe.png", a_png()), ("bad.jpg", b"no image at all" * 1000)
    first = await post(http, gateway, "k", **as_form(*images))
    await only_the_objects_of_jobs_are_there(http, gateway)
    objects = gateway.objects
    await gateway.restart()
    for request in (as_form(*images), as_json(*images)):
        again = await post(http, gateway, "k", **request)
        assert again.first == first.first
        assert again.is_repeat
    assert gateway.objects == objects
    assert len(await jobs(http, gateway)) == 1
    assert await reservations_left(gateway) == 0


async def test_other_content_is_refused_after_a_restart_as_well(gateway: Gateway, http) -> None:
    await post(http, gateway, "k", **as_form(("a.jpg", a_jpeg())))
    await gateway.restart()
    assert (await post(http, gateway, "k", **as_form(("a.jpg", a_png())))).status == 422


async def test_of_many_tries_at_once_one_is_done_and_the_others_hear_of_it_or_ask_again(
    gateway: Gateway, http
) -> None:
    images = [(f"{index}.jpg", padded(a_jpeg(), 1_000_000)) for index in range(4)]
    answers = await asyncio.gather(*(post(http, gateway, "k", **as_form(*images)) for _ in range(10)))
    taken = [answer for answer in answers if answer.status == 201]
    assert {answer.status for answer in answers} <= {201, 409}
    assert len({answer.first for answer in taken}) == 1
    assert [answer.is_repeat for answer in taken].count(False) == 1
    assert len(await jobs(http, gateway)) == 1
    await only_the_objects_of_jobs_are_there(http, gateway)
    assert await reservations_left(gateway) == 0


async def test_a_repeat_is_answered_while_the_object_store_is_away(
    own_store: S3Server, tmp_path: Path, http
) -> None:
    options = {**own_store.options(), "timeout_s": 1, "attempts": 1}
    settings = {"object_store_kind": "s3"} | {f"object_store_{key}": value for key, value in options.items()}
    async with running_gateway(tmp_path / "data", **settings) as gateway:
        first = await post(http, gateway, "k", **as_form(("a.jpg", a_jpeg())))
        assert first.status == 201
        own_store.kill()
        again = await post(http, gateway, "k", **as_form(("a.jpg", a_jpeg())))
        assert again.first == first.first
        assert (await post(http, gateway, "other", **as_form(("a.jpg", a_jpeg())))).status == 503
        own_store.start()
        assert (await post(http, gateway, "other", **as_form(("a.jpg", a_jpeg())))).status == 201


@define(eq=False)
class Sender:
    """A client that sends batch after batch, each until it is answered, and then once more in another form."""

    rng: random.Random
    gateway: Gateway
    http: aiohttp.ClientSession
    told: list[set[str]]
    """Of each key, shared by all: the jobs that its sender was told of."""

    async def run(self, enough: asyncio.Event) -> None:
        async with GatewayClient(self.gateway.base_url, patience_s=PATIENCE_S) as client:
            while not enough.is_set():
                await self._send(client)

    async def _send(self, client: GatewayClient) -> None:
        key, images = str(uuid4()), self._images()
        submitted = await client.submit(images, key=key)
        again = await self._insist(key, images)
        self.told.append({f"{BATCH}/{submitted.job_id}", str(again.location)})

    async def _insist(self, key: str, images: Images) -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await post(self.http, self.gateway, key, **as_json(*images))
                except aiohttp.ClientConnectionError:
                    answer = None
                if answer is not None and answer.status not in (409, 503):
                    return answer
                await asyncio.sleep(0.02)

    def _images(self) -> Images:
        """One good image, and some that cost no work; so large that they are still on their way at some kill."""
        good = padded(a_jpeg(), self.rng.randrange(2_000, 2_000_000))
        bad = [self.rng.randbytes(self.rng.randrange(2_000, 1_000_000)) for _ in range(self.rng.randrange(4))]
        return [(f"{index}.jpg", content) for index, content in enumerate([good, *bad])]


@pytest.mark.timeout(360)
async def test_requests_that_are_repeated_over_sigkills_at_random_instants_are_one_job_each(
    gateway: Gateway, http
) -> None:
    rng, enough = random.Random(), asyncio.Event()
    told: list[set[str]] = []
    async with asyncio.TaskGroup() as running:
        for _ in range(CLIENTS):
            sender = Sender(random.Random(rng.random()), gateway, http, told)
            running.create_task(sender.run(enough))
        for _ in range(KILLS):
            await one_more(told)
            await asyncio.sleep(rng.uniform(0, 0.3))
            await gateway.kill()
            await gateway.start()
        enough.set()
    assert [len(locations) for locations in told] == [1] * len(told)
    assert {f"{BATCH}/{job_id}" for job_id in await jobs(http, gateway)} == set().union(*told)
    await only_the_objects_of_jobs_are_there(http, gateway)
    assert await reservations_left(gateway) == 0


async def one_more(told: Sequence[set[str]]) -> None:
    """Until one more key was answered."""
    before = len(told)
    async with asyncio.timeout(PATIENCE_S):
        while len(told) == before:
            await asyncio.sleep(0.01)

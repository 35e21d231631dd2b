"""How each answer that the OpenAPI document names is brought about."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
from attrs import evolve

from gateway.domain import transitions
from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Change
from gateway.domain.job import Job
from tests import builders
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway

BATCH, IMAGES = "/api/v1/batch", "/api/v1/images"
STATUS, IMAGE, WS = f"{BATCH}/{{job_id}}", f"{BATCH}/{{job_id}}/images/{{index}}", f"{BATCH}/{{job_id}}/ws"
MANY = "/api/v1/ws"
RETRY, EVENTS, RESULTS = f"{STATUS}/retry", f"{STATUS}/events", f"{STATUS}/results"
LETTERS = "/api/v1/dead-letters"
LETTER, REQUEUE = f"{LETTERS}/{{id}}", f"{LETTERS}/{{id}}/requeue"
ORIGINAL, PROCESSED = f"{IMAGE}/original", f"{IMAGE}/processed"
UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"
JPEG = plain("JPEG")
RAW = {"Content-Type": "image/jpeg"}
EVENT_STREAM = "text/event-stream"


async def document_of(gateway: QuietGateway) -> dict[str, Any]:
    async with gateway.http.get("/api/v1/openapi.json") as answer:
        assert answer.content_type == "application/json"
        document: dict[str, Any] = await answer.json()
    return document


Ask = Callable[[QuietGateway], Awaitable[tuple[str, str, aiohttp.ClientResponse]]]
"""Brings an answer about, and says which operation it is of: method and path template."""


def asking(method: str, path: str, template: str | None = None, **more: Any) -> Ask:
    """Ask about the job and the image that `prepared` makes."""

    async def ask(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        job = await prepared(gateway) if "{" in path else None
        address = path.format(job_id=job.job_id if job else "", index=0)
        return method, template or path, await gateway.http.request(method, address, **more)

    return ask


async def prepared(gateway: QuietGateway) -> Job:
    """A job with a completed image, whose bytes are there, and one of each other kind."""
    async with gateway.http.post(BATCH, data=JPEG, headers=RAW) as answer:
        sent = await gateway.context.job_store.get((await answer.json())["job_id"])
    images = [
        builders.an_image(0, trace_id=sent.images[0].trace_id, original=sent.images[0].original),
        builders.a_refused_image(1),
        builders.a_url_image(2),
        builders.an_image(3),
        builders.a_reused_image(4, of=sent.job_id),
    ]
    job = await gateway.accept(images)
    await gateway.put_processed(f"{images[0].trace_id}/photo1.jpg", JPEG)
    await gateway.change(job.job_id, described)
    return await gateway.publish(job.job_id, 3)


def described(job: Job) -> Change:
    """Its first image is tagged, with every field that words may have."""
    words = evolve(builders.some_metadata(), writer="local/facts")
    path = f"{job.images[0].trace_id}/photo1.jpg"
    name = builders.attempt_of(job, 0)
    return builders.after(transitions.attempt_completed(job, name, path, words, builders.NOW))


def known(path: str, **headers: str) -> Ask:
    """A second GET by a client that has the first answer's version."""

    async def ask(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        job = await prepared(gateway)
        address = path.format(job_id=job.job_id, index=0)
        async with gateway.http.get(address) as first:
            etag = first.headers["ETag"]
        return "GET", path, await gateway.http.get(address, headers={"If-None-Match": etag, **headers})

    return ask


async def cancelled(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
    job = await prepared(gateway)
    await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
    return "GET", STATUS, await gateway.http.get(f"{BATCH}/{job.job_id}")


async def second_page(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
    for _ in range(3):
        await prepared(gateway)
    return "GET", BATCH, await gateway.http.get(f"{BATCH}?limit=1&images=true&status=processing")


async def found_page(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
    for _ in range(3):
        await prepared(gateway)
    return "GET", IMAGES, await gateway.http.get(f"{IMAGES}?limit=1&keyword=boat&status=completed")


def retrying(*, failed: bool = True, **more: Any) -> Ask:
    """Of a job of one image."""

    async def ask(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        async with gateway.http.post(BATCH, data=JPEG, headers=RAW) as answer:
            job_id = (await answer.json())["job_id"]
        if failed:
            await gateway.fail(job_id, 0)
        return "POST", RETRY, await gateway.http.post(f"{BATCH}/{job_id}/retry", **more)

    return ask


def asked_again(path: str, query: str = "", **other: Any) -> Ask:
    """The second of two requests with one key; `other` is what it asks for instead."""

    async def ask(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        sent: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}}
        if path == BATCH:
            address, sent = BATCH, {"data": JPEG, "headers": {**RAW, "Idempotency-Key": "k"}}
        else:
            _, _, answer = await retrying()(gateway)
            address = f"{BATCH}/{(await answer.json())['retry_of']}/retry"
        await gateway.http.post(address, **sent)
        return "POST", path, await gateway.http.post(address + query, **sent, **other)

    return ask


async def in_flight(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
    """An earlier one has the key's lease."""
    now = builders.NOW
    store: Any = gateway.context.job_store
    await store.acquire_lease("idempotency:k", holder="another", now=now, until=now.replace(year=9000))
    headers = {**RAW, "Idempotency-Key": "k"}
    return "POST", BATCH, await gateway.http.post(BATCH, data=JPEG, headers=headers)


async def retried(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
    _, _, answer = await retrying()(gateway)
    async with answer:
        return "GET", STATUS, await gateway.http.get(answer.headers["Location"])


async def with_letter(gateway: QuietGateway, index: int = 0) -> DeadLetter:
    """Of an image of `prepared`: 0 is completed, 1 failed, 3 is open."""
    job = await prepared(gateway)
    letter = builders.a_dead_letter(job, index)
    await gateway.context.dead_letters.keep_letter(letter)
    return letter


def of_letter(method: str, path: str, index: int = 3) -> Ask:
    async def ask(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        letter = await with_letter(gateway, index)
        return method, path, await gateway.http.request(method, path.format(id=letter.dead_letter_id))

    return ask


async def requeued_failed(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
    async with gateway.http.post(BATCH, data=JPEG, headers=RAW) as answer:
        job = await gateway.fail((await answer.json())["job_id"], 0)
    letter = builders.a_dead_letter(job)
    await gateway.context.dead_letters.keep_letter(letter)
    return "POST", REQUEUE, await gateway.http.post(REQUEUE.format(id=letter.dead_letter_id))


async def letters_page(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
    await gateway.context.dead_letters.keep_letter(builders.a_dead_letter())
    await with_letter(gateway)
    return "GET", LETTERS, await gateway.http.get(f"{LETTERS}?limit=1")


async def slow_body() -> AsyncIterator[bytes]:
    yield JPEG[:100]
    await asyncio.Event().wait()


async def too_slow(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
    return "POST", BATCH, await gateway.http.post(BATCH, data=slow_body(), headers=RAW)


async def too_slow_retry(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
    address = RETRY.replace("{job_id}", UNKNOWN)
    return "POST", RETRY, await gateway.http.post(address, data=slow_body())


def stopping(ask: Ask) -> Ask:
    async def ask_it(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        gateway.context.background.ask_to_stop()
        return await ask(gateway)

    return ask_it


def one_too_many_to_hear_more(path: str) -> Ask:
    """Of a batch that is sent, or tried again."""

    async def ask(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        job = await gateway.accept()
        headers = {**RAW, "Accept": EVENT_STREAM}
        async with gateway.http.ws_connect(f"{BATCH}/{job.job_id}/ws"):
            address = path.format(job_id=job.job_id)
            return "POST", path, await gateway.http.post(address, data=JPEG, headers=headers)

    return ask


def ended(template: str, query: str = "") -> Ask:
    """Of a job that has; `{id}` is its last event's in the query."""

    async def ask(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        job = await prepared(gateway)
        await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
        path = template.format(job_id=job.job_id)
        async with gateway.http.get(f"{BATCH}/{job.job_id}") as answer:
            newest = (await answer.json())["id"]
        return "GET", template, await gateway.http.get(path + query.format(id=newest))

    return ask


def followed(path: str, **headers: str) -> Ask:
    """A new job that ends while its client waits for that."""

    async def ask(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        address = BATCH
        sent: dict[str, Any] = {"data": JPEG, "headers": {**RAW, **headers}}
        if path == RETRY:
            async with gateway.http.post(BATCH, data=JPEG, headers=RAW) as answer:
                failed = await gateway.fail((await answer.json())["job_id"], 0)
            address, sent = f"{BATCH}/{failed.job_id}/retry", {"headers": headers}
        asked = asyncio.create_task(gateway.http.post(address, **sent))
        await gateway.fail(await the_open_job(gateway), 0)
        return "POST", path, await asked

    return ask


async def the_open_job(gateway: QuietGateway) -> str:
    """As soon as there is one."""
    while True:
        async with gateway.http.get(f"{BATCH}?status=pending") as answer:
            jobs = (await answer.json())["jobs"]
        if jobs:
            return str(jobs[0]["job_id"])


def stopped(template: str, query: str = "") -> Ask:
    """The gateway stops when it has the job already."""

    async def ask(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        job = await prepared(gateway)
        gateway.context.background.ask_to_stop()
        return "GET", template, await gateway.http.get(template.format(job_id=job.job_id) + query)

    return ask


def without_store(ask: Ask) -> Ask:
    async def ask_it(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        store: Any = gateway.context.job_store
        await store._close()  # noqa: SLF001
        return await ask(gateway)

    return ask_it


def one_too_many(template: str, query: str = "") -> Ask:
    """Somebody follows already, and nobody else may. `{id}` is the newest event's in the query."""

    async def ask(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        job = await prepared(gateway)
        async with gateway.http.ws_connect(f"{BATCH}/{job.job_id}/ws") as socket:
            newest = (await socket.receive_json())["id"]
            path = template.format(job_id=job.job_id) + query.format(id=newest)
            return "GET", template, await gateway.http.get(path)

    return ask


def unknown(template: str) -> Ask:
    return asking("GET", template.replace("{job_id}", UNKNOWN).replace("{index}", "0"), template)

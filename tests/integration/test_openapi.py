"""The OpenAPI document is true: it is valid, names every route, and real answers are what it says.

Answers are held to it with all objects closed, so that a field which the document forgets is found as well.
"""

import asyncio
import copy
import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import evolve
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from openapi_spec_validator import validate

from gateway.domain import transitions
from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.intake.settings import IntakeSettings
from gateway.settings import HttpSettings
from tests import builders
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

READERS = Config(
    spec_validator_cls=None,  # a test of its own does that
    extra_media_type_deserializers={"application/problem+json": json.loads},
)
HOST = "http://localhost"
BATCH, IMAGES = "/api/v1/batch", "/api/v1/images"
JPEG = plain("JPEG")
RAW = {"Content-Type": "image/jpeg"}
LISTED = "https://app.example.com"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    intake = IntakeSettings(max_body_bytes=20_000, silence_s=0.2)
    async with quiet_gateway(tmp_path, intake=intake, http=HttpSettings(cors_origins=(LISTED,))) as gateway:
        yield gateway


async def document_of(gateway: QuietGateway) -> dict[str, Any]:
    async with gateway.http.get("/api/v1/openapi.json") as answer:
        assert answer.content_type == "application/json"
        document: dict[str, Any] = await answer.json()
    return document


def closed(schema: Any) -> Any:
    """The document with every object of it forbidding what it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if isinstance(inner.get("properties"), dict) and inner.get("type") == "object":
        inner.setdefault("additionalProperties", False)
    return inner


async def test_it_is_valid_openapi(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    assert document["openapi"].startswith("3.1")
    validate(document)


async def test_it_names_every_route_but_for_the_files_of_the_docs_page(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    named = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    application = gateway.runner.app
    routed = {
        (route.method, route.resource.canonical)
        for route in application.router.routes()
        if route.method != "HEAD" and route.resource is not None
        if not route.resource.canonical.startswith("/docs/")
    }
    assert named == routed


async def test_every_operation_has_a_name_of_its_own(gateway: QuietGateway) -> None:
    paths = (await document_of(gateway))["paths"].values()
    names = [
        operation["operationId"] for item in paths for key, operation in item.items() if key != "parameters"
    ]
    assert len(set(names)) == len(names)


async def test_it_tells_the_bounds_of_this_gateway(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path, intake=IntakeSettings(max_images=7)) as gateway:
        document = await document_of(gateway)
    assert document["components"]["schemas"]["NewBatch"]["properties"]["images"]["maxItems"] == 7


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
    await asyncio.sleep(1)


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


def without_store(ask: Ask) -> Ask:
    async def ask_it(gateway: QuietGateway) -> tuple[str, str, aiohttp.ClientResponse]:
        store: Any = gateway.context.job_store
        await store._close()  # noqa: SLF001
        return await ask(gateway)

    return ask_it


STATUS, IMAGE, WS = f"{BATCH}/{{job_id}}", f"{BATCH}/{{job_id}}/images/{{index}}", f"{BATCH}/{{job_id}}/ws"
RETRY = f"{STATUS}/retry"
LETTERS = "/api/v1/dead-letters"
LETTER, REQUEUE = f"{LETTERS}/{{id}}", f"{LETTERS}/{{id}}/requeue"
ORIGINAL, PROCESSED = f"{IMAGE}/original", f"{IMAGE}/processed"
UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"
SHAPE = {"images": [{"base64": "AAAA"}]}


def unknown(template: str) -> Ask:
    return asking("GET", template.replace("{job_id}", UNKNOWN).replace("{index}", "0"), template)


ANSWERS: dict[str, tuple[int, Ask]] = {
    "submit": (201, asking("POST", BATCH, data=JPEG, headers=RAW)),
    "submit: a repeat": (201, asked_again(BATCH)),
    "submit: no key": (400, asking("POST", BATCH, data=JPEG, headers={**RAW, "Idempotency-Key": '"'})),
    "submit: key in flight": (409, in_flight),
    "submit: key reused": (422, asked_again(BATCH, query="?name=b.jpg")),
    "submit: wrong shape": (400, asking("POST", BATCH, json={"images": [{}, {"url": "ftp://x"}]})),
    "submit: too slow": (408, too_slow),
    "submit: too large": (413, asking("POST", BATCH, data=bytes(20_001), headers=RAW)),
    "submit: wrong media type": (
        415,
        asking("POST", BATCH, data=b"x", headers={"Content-Type": "text/plain"}),
    ),
    "submit: strict": (422, asking("POST", f"{BATCH}?strict=true", BATCH, json=SHAPE)),
    "submit: stopping": (503, stopping(asking("POST", BATCH, data=JPEG, headers=RAW))),
    "retry": (201, retrying()),
    "retry: a repeat": (201, asked_again(RETRY)),
    "retry: key reused": (422, asked_again(RETRY, json={"images": [0]})),
    "retry: wrong shape": (400, retrying(json={"images": [0, 7, True]})),
    "retry: unknown": (404, asking("POST", RETRY.replace("{job_id}", UNKNOWN), RETRY)),
    "retry: too slow": (408, too_slow_retry),
    "retry: not failed": (409, retrying(failed=False, json={"images": [0]})),
    "retry: too large": (413, retrying(json={"images": [0], "ballast": "x" * 65_536})),
    "retry: wrong media type": (415, retrying(data=b"[0]", headers={"Content-Type": "text/plain"})),
    "retry: stopping": (
        503,
        stopping(asking("POST", RETRY.replace("{job_id}", UNKNOWN), RETRY)),
    ),
    "list": (200, asking("GET", BATCH)),
    "list: a page": (200, second_page),
    "list: wrong": (400, asking("GET", f"{BATCH}?limit=0", BATCH)),
    "list: store down": (503, without_store(asking("GET", BATCH))),
    "status": (200, asking("GET", STATUS)),
    "status: cancelled": (200, cancelled),
    "status: a retry": (200, retried),
    "status: known": (304, known(STATUS)),
    "status: unknown": (404, unknown(STATUS)),
    "status: store down": (503, without_store(unknown(STATUS))),
    "status: wrong": (400, asking("GET", f"{STATUS}?keyword=", STATUS)),
    "status: some images": (200, asking("GET", f"{STATUS}?keyword=boat", STATUS)),
    "search": (200, asking("GET", IMAGES)),
    "search: a page": (200, found_page),
    "search: wrong": (400, asking("GET", f"{IMAGES}?keyword=", IMAGES)),
    "search: store down": (503, without_store(asking("GET", IMAGES))),
    "image": (200, asking("GET", IMAGE)),
    "image: known": (304, known(IMAGE)),
    "image: unknown": (404, unknown(IMAGE)),
    "image: store down": (503, without_store(unknown(IMAGE))),
    "letters": (200, of_letter("GET", LETTERS)),
    "letters: a page": (200, letters_page),
    "letters: wrong": (400, asking("GET", f"{LETTERS}?limit=0", LETTERS)),
    "letters: store down": (503, without_store(asking("GET", LETTERS))),
    "letters: delete": (200, of_letter("DELETE", LETTERS)),
    "letters: delete, store down": (503, without_store(asking("DELETE", LETTERS))),
    "letter: delete": (204, of_letter("DELETE", LETTER)),
    "letter: delete unknown": (404, asking("DELETE", f"{LETTERS}/nobody", LETTER)),
    "letter: delete, store down": (503, without_store(asking("DELETE", f"{LETTERS}/nobody", LETTER))),
    "requeue: open": (202, of_letter("POST", REQUEUE)),
    "requeue: failed": (201, requeued_failed),
    "requeue: unknown": (404, asking("POST", f"{LETTERS}/nobody/requeue", REQUEUE)),
    "requeue: completed": (409, of_letter("POST", REQUEUE, 0)),
    "requeue: stopping": (503, stopping(asking("POST", f"{LETTERS}/nobody/requeue", REQUEUE))),
    "follow: plain": (426, asking("GET", WS)),
    "follow: foreign": (403, asking("GET", WS, headers={"Origin": "https://evil.example"})),
    "follow: unknown": (404, unknown(WS)),
    "follow: stopping": (503, stopping(unknown(WS))),
    "alive": (200, asking("GET", "/healthz")),
    "ready": (200, asking("GET", "/readyz")),
    "ready: not": (503, stopping(asking("GET", "/readyz"))),
    "metrics": (200, asking("GET", "/metrics")),
    "home": (302, asking("GET", "/", allow_redirects=False)),
    "document": (200, asking("GET", "/api/v1/openapi.json")),
    "document: known": (304, known("/api/v1/openapi.json")),
    "docs": (200, asking("GET", "/docs")),
    "docs: known": (304, known("/docs")),
}
for which in (ORIGINAL, PROCESSED):
    name = which.rpartition("/")[2]
    pending = which.replace("{index}", "2")
    refused = which.replace("{index}", "1")
    ANSWERS |= {
        name: (200, asking("GET", which)),
        f"{name}: part": (206, asking("GET", which, headers={"Range": "bytes=1-5"})),
        f"{name}: known": (304, known(which)),
        f"{name}: refused": (404, asking("GET", refused, which)),
        f"{name}: pending": (409, asking("GET", pending, which)),
        f"{name}: no such part": (416, asking("GET", which, headers={"Range": "bytes=999999-"})),
        f"{name}: store down": (503, without_store(unknown(which))),
    }


async def check(document: dict[str, Any], method: str, template: str, answer: aiohttp.ClientResponse) -> None:
    """The answer is one that the document names, and has just the fields and headers that it says."""
    operation = document["paths"][template][method.lower()]
    assert str(answer.status) in operation["responses"]
    path = re.sub(r"{\w+}", "x", template)
    body = await answer.read()
    response = MockResponse(
        body, answer.status, dict(answer.headers), content_type=answer.content_type if body else ""
    )
    if answer.status == 304:
        assert body == b""
        for header in operation["responses"]["304"]["headers"]:
            assert header in answer.headers
        return
    openapi = OpenAPI.from_dict(closed(document), config=READERS)
    openapi.validate_response(MockRequest(HOST, method.lower(), path), response)


@pytest.mark.parametrize("name", ANSWERS)
async def test_real_answers_are_what_it_says(gateway: QuietGateway, name: str) -> None:
    status, ask = ANSWERS[name]
    document = await document_of(gateway)
    method, template, answer = await ask(gateway)
    async with answer:
        assert answer.status == status
        await check(document, method, template, answer)


async def test_every_status_of_it_is_brought_about_here(gateway: QuietGateway) -> None:
    """But for the upgrade, whose frames the next test has, and a full disk (507)."""
    document = await document_of(gateway)
    named = sorted(
        int(status)
        for item in document["paths"].values()
        for key, operation in item.items()
        if key != "parameters"
        for status in operation["responses"]
        if status not in ("default", "101", "507")
    )
    repeated = (
        "submit: a repeat",
        "submit: no key",
        "submit: key reused",
        "retry: a repeat",
        "list: a page",
        "status: cancelled",
        "status: a retry",
        "status: some images",
        "search: a page",
        "letters: a page",
    )
    shown = sorted(status for name, (status, _) in ANSWERS.items() if name not in repeated)
    # Bytes of a job whose store is down are asked by an unknown job: the same answer.
    assert shown == named


async def test_frames_are_what_it_says(gateway: QuietGateway) -> None:
    document = closed(await document_of(gateway))
    job = await prepared(gateway)
    await gateway.fail(job.job_id, 3)
    await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
    frames = []
    async with gateway.http.ws_connect(f"{BATCH}/{job.job_id}/ws?after=0") as websocket:
        frames = [json.loads(message.data) async for message in websocket]
    assert {frame["type"] for frame in frames} >= {"image_complete", "job_complete"}
    frames_as_answers = copy.deepcopy(document)
    frames_as_answers["paths"] = {
        "/frame": {
            "get": {
                "responses": {
                    "200": {
                        "description": "",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Frame"}}},
                    }
                }
            }
        }
    }
    openapi = OpenAPI.from_dict(frames_as_answers)
    for frame in frames:
        answer = MockResponse(json.dumps(frame).encode(), 200, content_type="application/json")
        openapi.validate_response(MockRequest(HOST, "get", "/frame"), answer)


async def test_the_check_finds_a_field_that_the_document_forgets(gateway: QuietGateway) -> None:
    document = await document_of(gateway)
    del document["components"]["schemas"]["Image"]["properties"]["sha256"]
    method, template, answer = await ANSWERS["status"][1](gateway)
    async with answer:
        with pytest.raises(Exception, match="InvalidData"):
            await check(document, method, template, answer)


async def test_the_docs_page_needs_no_foreign_host_and_no_inline_code(gateway: QuietGateway) -> None:
    async with gateway.http.get("/docs") as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    for link in links:
        assert link.startswith("/")
        async with gateway.http.get(link) as answer:
            assert answer.status == 200
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_bare_address_leads_to_the_docs_page(gateway: QuietGateway, method: str) -> None:
    async with gateway.http.request(method, "/", allow_redirects=True) as answer:
        assert (answer.status, answer.url.path, answer.content_type) == (200, "/docs", "text/html")


@pytest.mark.parametrize("name", ["docs.js", "docs.css", "icon.svg"])
async def test_a_file_of_the_docs_page_is_sent_once_to_who_knows_it(gateway: QuietGateway, name: str) -> None:
    async with gateway.http.get(f"/docs/{name}") as answer:
        etag = answer.headers["ETag"]
    async with gateway.http.get(f"/docs/{name}", headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")


async def test_its_texts_hold_no_markup(gateway: QuietGateway) -> None:
    """The page shows them as they are."""
    assert "`" not in json.dumps(await document_of(gateway))


@pytest.mark.parametrize("name", ["docs.js", "docs.css"])
async def test_its_files_name_no_foreign_host(gateway: QuietGateway, name: str) -> None:
    async with gateway.http.get(f"/docs/{name}") as answer:
        text = io.StringIO(await answer.text())
    assert not [line for line in text if "://" in line]

"""Real answers are what the OpenAPI document says.

They are held to it with all objects closed, so that a field which the document forgets is found as well.
"""

import copy
import json
import re
from typing import Any

import aiohttp
import pytest
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from gateway.domain import transitions
from tests.closed_schemas import closed
from tests.integration.openapi.asking import (
    BATCH,
    EVENT_STREAM,
    EVENTS,
    IMAGE,
    IMAGES,
    JPEG,
    LETTER,
    LETTERS,
    MANY,
    ORIGINAL,
    PROCESSED,
    RAW,
    REQUEUE,
    RESULTS,
    RETRY,
    STATUS,
    UNKNOWN,
    WS,
    Ask,
    asked_again,
    asking,
    cancelled,
    document_of,
    ended,
    followed,
    found_page,
    in_flight,
    known,
    letters_page,
    of_letter,
    one_too_many,
    one_too_many_to_hear_more,
    prepared,
    requeued_failed,
    retried,
    retrying,
    second_page,
    stopped,
    stopping,
    too_slow,
    too_slow_retry,
    unknown,
    without_store,
)
from tests.servers.quiet_gateway import QuietGateway

READERS = Config(
    spec_validator_cls=None,  # a test of its own does that
    extra_media_type_deserializers={
        "application/problem+json": json.loads,
        "application/jsonl": bytes.decode,
        "text/event-stream": bytes.decode,
    },
)
HOST = "http://localhost"
SHAPE = {"images": [{"base64": "AAAA"}]}
ANSWERS: dict[str, tuple[int, Ask]] = {
    "submit": (201, asking("POST", BATCH, data=JPEG, headers=RAW)),
    "submit: followed": (201, followed(BATCH, Accept=EVENT_STREAM)),
    "submit: waited for": (200, followed(BATCH, Prefer="wait=30")),
    "submit: one too many": (429, one_too_many_to_hear_more(BATCH)),
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
    "retry: followed": (201, followed(RETRY, Accept=EVENT_STREAM)),
    "retry: waited for": (200, followed(RETRY, Prefer="wait=30")),
    "retry: one too many": (429, one_too_many_to_hear_more(RETRY)),
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
    "status: waited for": (200, ended(STATUS, "?wait=30&after={id}")),
    "status: one too many": (429, one_too_many(STATUS, "?wait=30&after={id}")),
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
    "follow: wrong": (400, asking("GET", f"{WS}?images=many", WS)),
    "follow: one too many": (429, one_too_many(WS)),
    "follow: stopping": (503, stopped(WS)),
    "events": (200, ended(EVENTS)),
    "events: all seen": (204, ended(EVENTS, "?after={id}")),
    "events: wrong": (400, asking("GET", f"{EVENTS}?images=many", EVENTS)),
    "events: unknown": (404, unknown(EVENTS)),
    "events: one too many": (429, one_too_many(EVENTS)),
    "events: stopping": (503, stopped(EVENTS)),
    "results": (200, ended(RESULTS, "?follow=true")),
    "results: wrong": (400, asking("GET", f"{RESULTS}?follow=far", RESULTS)),
    "results: unknown": (404, unknown(RESULTS)),
    "results: one too many": (429, one_too_many(RESULTS, "?follow=true")),
    "results: stopping": (503, stopped(RESULTS, "?follow=true")),
    "many: plain": (426, asking("GET", MANY)),
    "many: foreign": (403, asking("GET", MANY, headers={"Origin": "https://evil.example"})),
    "many: one too many": (429, one_too_many(MANY)),
    "many: stopping": (503, stopping(asking("GET", MANY))),
    "alive": (200, asking("GET", "/healthz")),
    "ready": (200, asking("GET", "/readyz")),
    "ready: not": (503, stopping(asking("GET", "/readyz"))),
    "metrics": (200, asking("GET", "/metrics")),
    "home": (200, asking("GET", "/")),
    "home: known": (304, known("/")),
    "batch page": (200, asking("GET", "/batches/{job_id}")),
    "batch page: known": (304, known("/batches/{job_id}")),
    "document": (200, asking("GET", "/api/v1/openapi.json")),
    "document: known": (304, known("/api/v1/openapi.json")),
    "asyncapi": (200, asking("GET", "/api/v1/asyncapi.json")),
    "asyncapi: known": (304, known("/api/v1/asyncapi.json")),
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
        "submit: followed",
        "retry: followed",
        "status: waited for",
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
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Event"}}},
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

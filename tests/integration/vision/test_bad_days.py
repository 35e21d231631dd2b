"""The vision provider and a real server on bad days: those that pass, and those that stay."""

import json
import ssl

import pytest
import trustme
from structlog.testing import capture_logs

from gateway.analyzer.vision.endpoint import MAX_ANSWER_BYTES
from gateway.analyzer.vision.failures import UNREADABLE_TRIES
from gateway.analyzer.vision.health import DOWN_AFTER
from tests.clocks import HandClock
from tests.free_ports import free_port
from tests.integration.vision.photographer import CAT, KEY, OF_CAT, SILENT_S, TIMEOUT_S
from tests.servers.chat_completions import (
    HOST,
    as_json,
    body,
    completion,
    cut_off,
    hang_up,
    redirect,
    says,
    silence,
    status,
    vision_server,
    web_page,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = '{"title": "A dog", "description": "It runs.", "keywords": ["dog"]}'


# bad days that pass


@pytest.mark.parametrize(
    "trouble",
    [
        status(429),
        status(429, {"Retry-After": "5"}),
        status(503, {"Retry-After": "5"}),
        status(500),
        status(408),
        web_page(502),
        web_page(),
        cut_off(),
        hang_up(),
        silence(),
        as_json({"error": {"code": 502, "message": "Provider returned error"}}),
        as_json({"choices": []}),
        says(""),
        says("A cat sleeps."),
        says('{"title": "A c', finish_reason="length"),
        body(json.dumps(completion(GOOD)).encode() + b" " * MAX_ANSWER_BYTES),
    ],
    ids=[
        "429", "429 with Retry-After", "503 with Retry-After", "500", "408", "502 as a page", "200 as a page",
        "cut off", "hung up", "silent", "error under 200", "no choices", "nothing said", "no JSON", "half an answer",
        "huge",
    ],
)  # fmt: skip
async def test_after_trouble_it_is_asked_again(asking, trouble):
    async with asking(trouble, CAT, request_timeout_s=2.0) as (
        photographer,
        server,
    ):
        assert await photographer.words() == OF_CAT
    assert len(server.asked) == 2


async def test_it_is_asked_as_often_as_allowed(asking):
    async with asking(status(500), max_tries=3) as (photographer, server):
        failure = await photographer.failure()
    assert (failure.code, len(server.asked)) == ("analysis_unavailable", 3)


async def test_an_answer_that_makes_no_sense_is_asked_for_twice(asking):
    async with asking(says("A cat sleeps.")) as (photographer, server):
        failure = await photographer.failure()
    assert (failure.code, len(server.asked)) == ("analysis_unreadable", UNREADABLE_TRIES)


async def test_an_image_ends_in_time_however_often_it_may_be_asked_for(asking):
    clock = HandClock()
    begun = clock.monotonic()
    async with asking(status(500), max_tries=1000, clock=clock) as (photographer, _):
        failure = await photographer.failure()
    assert failure.code == "analysis_unavailable"
    assert clock.monotonic() - begun <= TIMEOUT_S


async def test_a_closed_port_is_an_endpoint_that_is_away(a_photographer):
    async with a_photographer(f"http://{HOST}:{free_port()}/v1") as photographer:
        failure = await photographer.failure()
    assert failure.code == "analysis_unavailable"
    assert "accepts no connection" in failure.text


async def test_a_silent_endpoint_is_not_waited_for(asking):
    async with asking(silence(), request_timeout_s=SILENT_S, max_tries=2) as (photographer, server):
        failure = await photographer.failure()
    assert (failure.code, len(server.asked)) == ("analysis_unavailable", 2)
    assert "did not answer within" in failure.text


# bad days that stay


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (401, "OPENROUTER_API_KEY"),
        (402, "credit"),
        (403, "key may do"),
        (404, r"vision\.model"),
        (422, "the log"),
    ],
)
async def test_what_stays_so_is_asked_once(asking, code, told):
    async with asking(status(code, message=f"The key {KEY} is wrong.")) as (photographer, server):
        failure = await photographer.failure()
    assert (failure.code, len(server.asked)) == ("analysis_unavailable", 1)
    assert told.replace("\\", "") in failure.text
    assert KEY not in str(failure)


@pytest.mark.parametrize(
    "refusal",
    [
        says(None, refusal="I won't."),
        says("I'm sorry, I can't help with that."),
        says("", finish_reason="content_filter"),
        status(403, metadata={"reasons": ["violence"], "flagged_input": "..."}),
        status(400, message="Rejected by the content policy."),
    ],
    ids=["refusal", "in words", "content filter", "moderation", "content policy"],
)
async def test_a_refusal_is_taken_for_one(asking, refusal):
    async with asking(refusal) as (photographer, server):
        failure = await photographer.failure()
    assert (failure.code, len(server.asked)) == ("analysis_refused", 1)


async def test_a_redirect_is_not_followed(asking):
    async with (
        vision_server(CAT) as elsewhere,
        asking(redirect(f"{elsewhere.url}/x")) as (photographer, server),
    ):
        failure = await photographer.failure()
    assert (failure.code, len(server.asked), elsewhere.asked) == ("analysis_unavailable", 1, [])
    assert "vision.url" in failure.text


async def test_a_certificate_that_nobody_vouches_for_ends_it(a_photographer):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(HOST).configure_cert(tls)
    async with (
        vision_server(CAT, tls=tls) as server,
        a_photographer(f"https://{HOST}:{server.port}") as photographer,
    ):
        failure = await photographer.failure()
    assert (failure.code, server.asked) == ("analysis_unavailable", [])
    assert "certificate" in failure.text


# an endpoint that is down


async def test_an_endpoint_that_is_down_costs_further_images_one_request_each(asking):
    async with asking(status(500), max_tries=2) as (photographer, server):
        with capture_logs() as lines:
            for _ in range(DOWN_AFTER + 2):
                await photographer.failure()
    assert len(server.asked) == 2 * DOWN_AFTER + 2
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["vision endpoint is down"]


async def test_one_success_makes_it_well_again(asking):
    down = [status(500)] * (2 * DOWN_AFTER)
    async with asking(*down, CAT, status(500), CAT, max_tries=2) as (photographer, _):
        for _ in range(DOWN_AFTER):
            await photographer.failure()
        assert [await photographer.words() for _ in range(2)] == [OF_CAT, OF_CAT]

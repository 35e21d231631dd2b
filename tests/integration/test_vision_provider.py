"""The vision provider against a real server that speaks chat completions, on good days and bad ones."""

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
import trustme
from attrs import define
from PIL import Image
from structlog.testing import capture_logs

from gateway.analyzer.provider import AnalysisFailed
from gateway.analyzer.vision.endpoint import MAX_ANSWER_BYTES
from gateway.analyzer.vision.failures import TRIES_WITH_LESS, UNREADABLE_TRIES
from gateway.analyzer.vision.health import DOWN_AFTER
from gateway.analyzer.vision.provider import Limits, VisionProvider
from gateway.analyzer.vision.settings import VisionSettings
from gateway.metadata import Metadata
from gateway.ports.clock import Clock
from gateway.processes import HelperProcesses
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import VisionMetrics
from tests.clocks import HandClock
from tests.free_ports import free_port
from tests.golden import golden
from tests.photos import a_jpeg, a_png, a_truncated_jpeg
from tests.pictures import exiftool
from tests.servers.chat_completions import (
    HOST,
    USAGE,
    Answer,
    VisionServer,
    as_json,
    body,
    completion,
    cut_off,
    gzipped,
    hang_up,
    redirect,
    says,
    silence,
    status,
    vision_server,
    web_page,
    when,
    words,
)

KEY = "odd.0123456789/abcdef"
MODEL = "openai/gpt-4o"
TIMEOUT_S = 60.0
SILENT_S = 0.2
PATIENCE_S = 20
GOOD = '{"title": "A dog", "description": "It runs.", "keywords": ["dog"]}'
CAT = words("A cat", "It sleeps.", ["cat", "sofa"])
OF_CAT = Metadata("A cat", "It sleeps.", ("cat", "sofa"), f"vision/{MODEL}")


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def helpers() -> AsyncIterator[HelperProcesses]:
    pool = HelperProcesses()
    yield pool
    await pool.close()


@define(eq=False)
class Photographer:
    """Brings images to a provider, and looks at what is counted."""

    provider: VisionProvider
    instruments: Instruments

    async def words(self, image: bytes | None = None) -> Metadata:
        async with asyncio.timeout(PATIENCE_S):
            return await self.provider.describe(image or a_jpeg(), "ada-in-paris.jpg")

    async def failure(self, image: bytes | None = None) -> AnalysisFailed:
        with pytest.raises(AnalysisFailed) as caught:
            await self.words(image)
        return caught.value

    def counted(self, name: str, **labels: str) -> float:
        return self.instruments.registry.get_sample_value(f"gateway_vision_{name}", labels) or 0.0


@asynccontextmanager
async def _a_photographer(
    helpers: HelperProcesses, url: str, *, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Photographer]:
    instruments = Instruments()
    vision = VisionSettings(**{"url": url, "api_key": KEY, **settings})
    limits, metrics = Limits(10_000_000, TIMEOUT_S), VisionMetrics(instruments)
    async with VisionProvider.opened(vision, helpers, limits, metrics, clock or HandClock()) as provider:
        yield Photographer(provider, instruments)


@asynccontextmanager
async def _asking(
    helpers: HelperProcesses, *answers: Answer, **settings: Any
) -> AsyncIterator[tuple[Photographer, VisionServer]]:
    async with (
        vision_server(*answers) as server,
        _a_photographer(helpers, server.url, **settings) as photographer,
    ):
        yield photographer, server


@pytest.fixture
def a_photographer(helpers):
    """Waits between requests take no time, unless there is another clock."""
    return partial(_a_photographer, helpers)


@pytest.fixture
def asking(helpers):
    """A photographer, and the server that its provider asks, with its answers in turn."""
    return partial(_asking, helpers)


# --- what is sent, and what comes of it


async def test_the_words_of_the_model_come_with_its_name(asking):
    async with asking(CAT) as (photographer, _):
        assert await photographer.words() == OF_CAT


async def test_the_request_has_the_shape_of_the_running_analyzer(asking):
    (known,) = golden("chat_completions.request")
    prompt = known["body"]["messages"][0]["content"][0]["text"]
    async with asking(CAT, prompt=prompt) as (photographer, server):
        await photographer.words()
    (asked,) = server.asked
    asked.body["messages"][0]["content"][1]["image_url"]["url"] = "data:image/jpeg;base64,..."
    assert (asked.method, asked.target) == (known["method"], "/v1/chat/completions")
    assert asked.body == known["body"]


async def test_the_key_goes_as_a_bearer_token(asking):
    async with asking(CAT) as (photographer, server):
        await photographer.words()
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.asked[0].headers["content-type"] == "application/json"


async def test_without_a_key_none_is_sent(asking):
    async with asking(CAT, api_key="") as (photographer, server):
        await photographer.words()
    assert "authorization" not in server.asked[0].headers


async def test_settings_go_into_the_request(asking):
    settings = {
        "model": "llava",
        "max_tokens": 99,
        "temperature": 0.0,
        "language": "German",
        "prompt": "In $language!",
    }
    async with asking(CAT, **settings) as (photographer, server):
        found = await photographer.words()
    (asked,) = server.asked
    assert {name: asked.body[name] for name in ("model", "max_tokens", "temperature")} == {
        "model": "llava",
        "max_tokens": 99,
        "temperature": 0.0,
    }
    assert (asked.prompt, found.writer) == ("In German!", "vision/llava")


@pytest.mark.parametrize("photo", [a_jpeg(600, 400), a_png(600, 400)], ids=["JPEG", "PNG"])
async def test_the_picture_goes_as_a_small_jpeg(asking, photo):
    async with asking(CAT, longest_side=150) as (photographer, server):
        await photographer.words(photo)
    picture = server.asked[0].picture
    assert (picture.format, picture.size) == ("JPEG", (150, 100))


async def test_a_large_picture_arrives_whole(asking):
    noise = io.BytesIO()
    Image.effect_noise((1500, 1000), 200).save(noise, "PNG")
    async with asking(CAT, longest_side=1500) as (photographer, server):
        assert await photographer.words(noise.getvalue()) == OF_CAT
    assert server.asked[0].picture.size == (1500, 1000)
    assert int(server.asked[0].headers["content-length"]) > 1024 * 1024


async def test_a_photo_goes_upright_and_without_its_metadata(asking):
    photo = exiftool(
        "-Orientation#=6", "-Artist=Ada", "-GPSLatitude=48.8584", "-GPSLatitudeRef=N", image=a_jpeg()
    )
    async with asking(CAT) as (photographer, server):
        await photographer.words(photo)
    (asked,) = server.asked
    assert asked.picture.size == (48, 64)
    assert not asked.picture.getexif()
    assert b"Ada" not in asked.jpeg


PLACE = ("-GPSLatitude=48.8584", "-GPSLatitudeRef=N", "-GPSLongitude=2.2945", "-GPSLongitudeRef=E")


async def test_neither_place_nor_file_name_is_told(asking):
    async with asking(CAT) as (photographer, server):
        await photographer.words(exiftool(*PLACE, image=a_jpeg()))
    sent = json.dumps(server.asked[0].body).lower()
    assert "48.8" not in sent
    assert "ada-in-paris" not in sent


async def test_the_place_is_told_where_that_is_allowed(asking):
    async with asking(CAT, send_location=True) as (photographer, server):
        await photographer.words(exiftool(*PLACE, image=a_jpeg()))
    assert "48.8584° N, 2.2945° E" in server.asked[0].prompt


async def test_a_picture_that_can_not_be_decoded_is_not_sent(asking):
    async with asking(CAT) as (photographer, server):
        failure = await photographer.failure(a_truncated_jpeg())
    assert (failure.code, server.asked) == ("analysis_failed", [])


async def test_an_answer_may_be_compressed(asking):
    answer = json.dumps({"title": "A cat", "description": "It sleeps.", "keywords": ["cat", "sofa"]})
    async with asking(gzipped(completion(answer))) as (photographer, server):
        assert await photographer.words() == OF_CAT
    assert "gzip" in server.asked[0].headers["accept-encoding"]


# --- bad days that pass


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


# --- models that decline a member of the request

NO_MAX_TOKENS = status(
    400,
    message="Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead.",
)
NO_TEMPERATURE = status(
    400,
    message="Unsupported value: 'temperature' does not support 0.7 with this model. "
    "Only the default (1) value is supported.",
)


async def test_what_a_model_declines_is_left_out_from_then_on(asking):
    async with asking(NO_MAX_TOKENS, NO_TEMPERATURE, CAT) as (photographer, server):
        assert [await photographer.words() for _ in range(2)] == [OF_CAT, OF_CAT]
    declined = {"max_tokens", "temperature", "max_completion_tokens"}
    assert [declined & set(asked.body) for asked in server.asked] == [
        {"max_tokens", "temperature"},
        {"max_completion_tokens", "temperature"},
        {"max_completion_tokens"},
        {"max_completion_tokens"},
    ]


async def test_a_model_that_declines_for_ever_is_not_asked_for_ever(asking):
    async with asking(NO_TEMPERATURE, max_tries=100) as (photographer, server):
        failure = await photographer.failure()
    assert (failure.code, len(server.asked)) == ("analysis_unavailable", TRIES_WITH_LESS)


# --- Retry-After


async def test_retry_after_is_waited_for(asking):
    clock = HandClock()
    begun = clock.monotonic()
    async with asking(status(429, {"Retry-After": "30"}), CAT, clock=clock) as (photographer, _):
        await photographer.words()
    assert clock.monotonic() - begun >= 30


async def test_retry_after_may_be_a_date(asking):
    clock = HandClock()
    begun = clock.monotonic()
    headers = {"Date": "Sat, 28 Nov 2026 12:00:00 GMT", "Retry-After": "Sat, 28 Nov 2026 12:00:40 GMT"}
    async with asking(status(503, headers), CAT, clock=clock) as (photographer, _):
        await photographer.words()
    assert clock.monotonic() - begun >= 40


async def test_a_wait_that_is_longer_than_the_image_has_ends_it_at_once(asking):
    clock = HandClock()
    begun = clock.monotonic()
    async with asking(status(429, {"Retry-After": "3600"}), clock=clock) as (photographer, server):
        failure = await photographer.failure()
    assert (failure.code, len(server.asked), clock.monotonic()) == ("analysis_unavailable", 1, begun)
    assert "3600 s" in failure.text


async def test_the_wait_holds_for_all_images(asking):
    async with asking(status(429, {"Retry-After": "3600"}), CAT) as (photographer, server):
        await photographer.failure()
        failure = await photographer.failure()
    assert (failure.code, len(server.asked)) == ("analysis_unavailable", 1)


async def test_after_the_wait_images_are_described_again(asking):
    clock = HandClock()
    async with asking(status(429, {"Retry-After": "3600"}), CAT, clock=clock) as (photographer, _):
        await photographer.failure()
        clock.turn(3600)
        assert await photographer.words() == OF_CAT


# --- bad days that stay


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


async def test_a_proxy_is_asked_where_one_is_named(a_photographer):
    async with vision_server(CAT) as proxy:
        way = proxy.url.removesuffix("/v1")
        async with a_photographer("http://model.invalid/v1", proxy=way) as photographer:
            assert await photographer.words() == OF_CAT
    assert proxy.asked[0].target == "http://model.invalid/v1/chat/completions"


# --- an endpoint that is down


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


# --- many images


async def test_no_more_requests_run_at_once_than_allowed(asking):
    go_on = asyncio.Event()
    async with asking(when(go_on, CAT), max_in_flight=2) as (photographer, server):
        images = [asyncio.create_task(photographer.words()) for _ in range(6)]
        async with asyncio.timeout(PATIENCE_S):
            while server.at_once < 2:
                await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.gather(*images)
    assert (server.most_at_once, len(server.asked)) == (2, 6)


async def test_no_more_requests_begin_in_a_minute_than_allowed(asking):
    clock = HandClock()
    begun = clock.monotonic()
    async with asking(CAT, max_per_minute=2, clock=clock) as (photographer, _):
        for _ in range(5):
            await photographer.words()
    assert clock.monotonic() - begun >= 120


async def test_an_image_that_is_given_up_ends_its_request(asking):
    async with asking(silence(), CAT, max_in_flight=1) as (photographer, server):
        image = asyncio.create_task(photographer.words())
        async with asyncio.timeout(PATIENCE_S):
            while not server.at_once:
                await asyncio.sleep(0.01)
        image.cancel()
        await asyncio.wait([image])
        assert image.cancelled()
        assert await photographer.words() == OF_CAT


# --- what is counted


async def test_requests_tokens_cost_and_images_are_counted(asking):
    async with asking(status(429), CAT) as (photographer, _):
        await photographer.words()
    counted = photographer.counted
    assert (counted("requests_total", outcome="limited"), counted("requests_total", outcome="ok")) == (1, 1)
    assert counted("tokens_total", kind="prompt") == USAGE["prompt_tokens"]
    assert counted("tokens_total", kind="completion") == USAGE["completion_tokens"]
    assert counted("cost_dollars_total") == USAGE["cost"]
    assert counted("request_seconds_count") == 2
    assert counted("images_total", outcome="described") == 1


@pytest.mark.parametrize(
    ("answer", "of_request", "of_image"),
    [
        (status(500), "failed", "unavailable"),
        (status(401), "rejected", "unavailable"),
        (silence(), "timed_out", "unavailable"),
        (says(None, refusal="No."), "refused", "refused"),
        (says("A cat."), "unreadable", "unreadable"),
    ],
    ids=["500", "401", "silence", "refusal", "no JSON"],
)
async def test_what_went_wrong_is_counted_by_its_kind(asking, answer, of_request, of_image):
    timeout_s = SILENT_S if of_request == "timed_out" else PATIENCE_S
    async with asking(answer, max_tries=1, request_timeout_s=timeout_s) as (photographer, _):
        await photographer.failure()
    assert photographer.counted("requests_total", outcome=of_request) == 1
    assert photographer.counted("images_total", outcome=of_image) == 1


async def test_tokens_of_an_answer_that_could_not_be_used_are_counted_too(asking):
    async with asking(says("A cat."), max_tries=1) as (photographer, _):
        await photographer.failure()
    assert photographer.counted("tokens_total", kind="prompt") == USAGE["prompt_tokens"]

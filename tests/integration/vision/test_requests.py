"""What the vision provider sends to a real server, and what comes of it."""

import io
import json

import pytest
from PIL import Image

from gateway.analyzer.vision.failures import TRIES_WITH_LESS
from tests.golden import golden
from tests.integration.vision.photographer import CAT, KEY, OF_CAT
from tests.photos import a_jpeg, a_png, a_truncated_jpeg
from tests.pictures import exiftool
from tests.servers.chat_completions import completion, gzipped, status, vision_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_a_proxy_is_asked_where_one_is_named(a_photographer):
    async with vision_server(CAT) as proxy:
        way = proxy.url.removesuffix("/v1")
        async with a_photographer("http://model.invalid/v1", proxy=way) as photographer:
            assert await photographer.words() == OF_CAT
    assert proxy.asked[0].target == "http://model.invalid/v1/chat/completions"


# models that decline a member of the request


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

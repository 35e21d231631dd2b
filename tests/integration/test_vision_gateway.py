"""A whole gateway whose analyzer asks a model: the words arrive in the file, or the image says why there are none."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from attrs import frozen

from tests.exposition import metrics_of
from tests.following import follow
from tests.free_ports import free_port
from tests.pictures import china, exiftool, picture_data, tags_of
from tests.servers.chat_completions import HOST, says, status, vision_server, words
from tests.servers.gateway import Gateway, running_gateway
from tests.submitting import Fields, job_of, processed_of, submit_files

MODEL = "openai/gpt-4o"
BRIDGE = words("A bridge over a lake", "A bridge leads to a temple.", ["bridge", "lake", "#temple"])
KEY = {"OPENROUTER_API_KEY": "sk-or-v1-secret"}


@frozen
class Described:
    """An image that has ended, and its tagged copy, if there is one."""

    image: Fields
    tags: Fields
    copy: bytes


async def described(http: aiohttp.ClientSession, base_url: str, photo: bytes) -> Described:
    job_id = await submit_files(http, base_url, [("ada-in-paris.jpg", photo)])
    await follow(http, base_url, job_id)
    (image,) = (await job_of(http, base_url, job_id))["images"]
    copy = await processed_of(http, base_url, job_id, 0) if image["status"] == "completed" else b""
    return Described(image, tags_of(copy) if copy else {}, copy)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def a_gateway(folder: Path, url: str, **settings: object) -> AsyncIterator[Gateway]:
    async with running_gateway(
        folder / "data",
        environment=KEY,
        vision_url=url,
        vision_max_tries=1,
        jobs_max_attempts=1,
        **settings,
    ) as gateway:
        yield gateway


async def test_the_words_of_the_model_arrive_in_the_file_with_its_name(http, tmp_path):
    async with vision_server(BRIDGE) as server, a_gateway(tmp_path, server.url) as gateway:
        found = await described(http, gateway.base_url, china())
    assert found.tags["IPTC:Headline"] == "A bridge over a lake"
    assert found.tags["IPTC:Caption-Abstract"] == "A bridge leads to a temple."
    assert found.tags["IPTC:Keywords"] == ["bridge", "lake", "temple"]
    assert found.tags["XMP-photoshop:CaptionWriter"] == f"vision/{MODEL}"
    assert picture_data(found.copy) == picture_data(china())


async def test_nothing_of_the_photo_but_its_picture_leaves_the_machine(http, tmp_path):
    photo = exiftool(
        "-Artist=Ada", "-GPSLatitude=48.8584", "-GPSLatitudeRef=N", "-SerialNumber=4711", image=china()
    )
    async with vision_server(BRIDGE) as server, a_gateway(tmp_path, server.url) as gateway:
        await described(http, gateway.base_url, photo)
    (asked,) = server.asked
    assert {tag.partition(":")[0] for tag in tags_of(asked.jpeg)} <= {
        "SourceFile", "ExifTool", "File", "JFIF", "Composite",
    }  # fmt: skip
    assert "ada" not in json.dumps({**asked.body, "messages": asked.prompt}).lower()


async def test_with_a_dead_endpoint_the_local_words_arrive(http, tmp_path):
    url = f"http://{HOST}:{free_port()}/v1"
    async with a_gateway(tmp_path, url, analyzer_providers="vision,local") as gateway:
        found = await described(http, gateway.base_url, china())
        events = [line["event"] for line in gateway.log()]
    assert found.tags["XMP-photoshop:CaptionWriter"].startswith("local/")
    assert "provider failed, the next one is asked" in events


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (status(401), "analysis_unavailable"),
        (says("I'm sorry, I can't help with that."), "analysis_refused"),
        (says("A bridge."), "analysis_unreadable"),
    ],
    ids=["key refused", "picture refused", "no words"],
)
async def test_without_another_provider_the_image_fails_and_says_why(answer, code, http, tmp_path):
    async with vision_server(answer) as server, a_gateway(tmp_path, server.url) as gateway:
        found = await described(http, gateway.base_url, china())
    assert (found.image["status"], found.image["code"]) == ("failed", code)


async def test_a_dead_endpoint_alone_fails_the_image_as_unavailable(http, tmp_path):
    async with a_gateway(tmp_path, f"http://{HOST}:{free_port()}/v1") as gateway:
        found = await described(http, gateway.base_url, china())
    assert (found.image["status"], found.image["code"]) == ("failed", "analysis_unavailable")


async def test_the_log_says_at_the_start_where_pictures_go_and_never_shows_the_key(http, tmp_path):
    refusal = status(401, message=f"Bad key {KEY['OPENROUTER_API_KEY']}")
    async with (
        vision_server(refusal) as server,
        a_gateway(tmp_path, server.url, log_level="debug") as gateway,
    ):
        await described(http, gateway.base_url, china())
        (line,) = [line for line in gateway.log() if line["event"] == "providers"]
    assert (line["asked"], line["pictures_go_to"], line["model"]) == (["vision"], HOST, MODEL)
    assert KEY["OPENROUTER_API_KEY"] not in gateway.output()


async def test_a_prompt_that_is_not_there_stops_the_start_in_one_line(tmp_path):
    settings = {"vision_prompt_file": str(tmp_path / "prompt.txt")}
    gateway = Gateway(tmp_path / "data", free_port(), settings, environment=KEY)
    await gateway.launch()
    assert await gateway.process.wait() == 1
    reason = f"can't read the prompt {tmp_path}/prompt.txt (vision.prompt_file): No such file or directory"
    assert gateway.output().splitlines() == [f"gateway: {reason}"]


async def test_metrics_of_vision_are_shown_where_it_is_used(http, tmp_path):
    async with vision_server(BRIDGE) as server, a_gateway(tmp_path, server.url) as gateway:
        await described(http, gateway.base_url, china())
        found = await metrics_of(http, gateway.base_url)
    assert found.value("gateway_vision_images_total", outcome="described") == 1
    assert found.value("gateway_vision_cost_dollars_total") > 0


async def test_metrics_of_vision_are_not_shown_elsewhere(http, tmp_path):
    async with running_gateway(tmp_path / "data") as gateway:
        found = await metrics_of(http, gateway.base_url)
    assert not [name for name in found.names if "vision" in name]

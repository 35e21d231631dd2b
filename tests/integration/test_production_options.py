"""What a client says about words that its images have already, from its request to the file: in one process, through
RabbitMQ with workers of ours, over a SIGKILL, and beside services that would drop it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from attrs import frozen

from tests.following import follow
from tests.pictures import china, exiftool, tags_of
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.s3 import keys_in
from tests.servers.system import (
    Place,
    an_empty_place,
    gateway_at,
    running,
    running_system,
    worker,
)
from tests.servers.web import Request, image, web_server
from tests.servers.wire import wire
from tests.submitting import job_of, processed_of, submit_files

pytestmark = pytest.mark.asyncio(loop_scope="module")

OVERALL_S = 200
TITLE, DESCRIPTION, KEYWORD = "Peking im Mai", "Die Halle, von Süden gesehen.", "Reise"
PHOTO = exiftool(
    f"-XMP-dc:Title={TITLE}", f"-XMP-dc:Description={DESCRIPTION}", f"-XMP-dc:Subject={KEYWORD}", image=china()
)  # fmt: skip
"""With a person's words in it."""
FAST: dict[str, Any] = {"jobs_poll_s": 0.1, "jobs_watch_every_s": 0.2, "jobs_attempt_pause_s": 0.1}
POLICIES = ("keep", "append", "replace")


def of_all(policy: str) -> Mapping[str, str]:
    return dict.fromkeys(("title", "description", "keywords"), policy)


@frozen
class Words:
    """What exiftool reads in a tagged copy."""

    title: str
    description: str
    keywords: list[str]

    @classmethod
    def of(cls, image: bytes) -> "Words":
        tags = tags_of(image)
        subject = tags["XMP-dc:Subject"]
        keywords = subject if isinstance(subject, list) else [subject]
        return cls(tags["XMP-dc:Title"], tags["XMP-dc:Description"], [str(word) for word in keywords])

    def assert_as_asked(self, policy: str) -> None:
        old = [TITLE in self.title, DESCRIPTION in self.description, KEYWORD in self.keywords]
        new = [self.title != TITLE, self.description != DESCRIPTION, self.keywords != [KEYWORD]]
        expected = {
            "keep": ([True] * 3, [False] * 3),
            "append": ([True] * 3, [True] * 3),
            "replace": ([False] * 3, [True] * 3),
        }
        assert (old, new) == expected[policy], self


async def tagged(http: aiohttp.ClientSession, gateway: Gateway, policy: str) -> Words:
    async with asyncio.timeout(OVERALL_S):
        job_id = await submit_files(http, gateway.base_url, [("photo.jpg", PHOTO)], of_all(policy))
        return await the_end_of(http, gateway, job_id)


async def the_end_of(http: aiohttp.ClientSession, gateway: Gateway, job_id: str) -> Words:
    await follow(http, gateway.base_url, job_id)
    job = await job_of(http, gateway.base_url, job_id)
    assert job["status"] == "completed", job
    return Words.of(await processed_of(http, gateway.base_url, job_id, 0))


async def its_publish_is_committed(http: aiohttp.ClientSession, gateway: Gateway, job_id: str) -> None:
    """Returns once the gateway would not publish it again in another life."""
    while (await job_of(http, gateway.base_url, job_id))["status"] != "processing":
        await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["in one process", "through RabbitMQ"])
async def gateway(
    request: pytest.FixtureRequest, rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("options")
    async with AsyncExitStack() as stack:
        if request.param == "in one process":
            yield await stack.enter_async_context(running_gateway(folder / "data"))
        else:
            at = await stack.enter_async_context(an_empty_place(rabbitmq, folder))
            system = await stack.enter_async_context(
                running_system(folder, at.place, jobs_metadata_options="allowed", **FAST)
            )
            yield system.gateway


@pytest.mark.parametrize("policy", POLICIES)
async def test_what_was_said_of_words_that_are_there_is_done_in_the_file(
    gateway: Gateway, policy: str
) -> None:
    async with aiohttp.ClientSession() as http:
        (await tagged(http, gateway, policy)).assert_as_asked(policy)


async def test_fields_of_which_nothing_was_said_are_as_the_setting_says(gateway: Gateway) -> None:
    """Which keeps a person's title and description, and adds keywords."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(OVERALL_S):
        said = {"title": "replace"}
        job_id = await submit_files(http, gateway.base_url, [("photo.jpg", PHOTO)], said)
        words = await the_end_of(http, gateway, job_id)
    assert TITLE not in words.title
    assert words.description == DESCRIPTION
    assert words.keywords[0] == KEYWORD
    assert len(words.keywords) > 1


async def test_in_one_process_too_it_outlives_a_gateway_that_is_killed(tmp_path: Path) -> None:
    """Killed while it downloads, so that all of the image's way is in a later life."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def held(request: Request, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await may_answer.wait()
        await image(PHOTO, "image/jpeg")(request, writer)

    async with (
        asyncio.timeout(OVERALL_S),
        web_server({"/photo.jpg": held}) as site,
        running_gateway(
            tmp_path / "data", fetch_allowed_networks=site.network, fetch_allowed_ports=site.port
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        batch = {"images": [{"url": site.url("/photo.jpg")}], "options": {"metadata": of_all("append")}}
        async with http.post(gateway.url("/api/v1/batch"), json=batch) as answer:
            job_id = (await answer.json())["job_id"]
        await asked.wait()
        await gateway.kill()
        may_answer.set()
        await gateway.start()
        (await the_end_of(http, gateway, job_id)).assert_as_asked("append")


@pytest.mark.parametrize("policy", POLICIES)
async def test_it_outlives_a_gateway_that_is_killed_and_holds_of_a_later_attempt(
    policy: str, place: Place, tmp_path: Path
) -> None:
    """The first attempt dies in the hands of an analyzer that says nothing; the second one is of a later life."""
    settings = FAST | {"jobs_metadata_options": "allowed"}
    async with (
        asyncio.timeout(OVERALL_S),
        gateway_at(place, tmp_path, **settings) as gateway,
        aiohttp.ClientSession() as http,
        wire(place.broker_url) as line,
    ):
        job_id = await submit_files(http, gateway.base_url, [("photo.jpg", PHOTO)], of_all(policy))
        upload = await line.take("image_upload")
        await its_publish_is_committed(http, gateway, job_id)
        await gateway.kill()
        await line.publish("dead_letter_queue", upload.body)
        await gateway.start()
        async with (
            running(worker("analyzer", "ours", place, tmp_path)),
            running(worker("processor", "ours", place, tmp_path)),
        ):
            words = await the_end_of(http, gateway, job_id)
            job = await job_of(http, gateway.base_url, job_id)
    words.assert_as_asked(policy)
    assert job["options"] == {"metadata": of_all(policy)}
    assert "-a2/" in job["images"][0]["processed_path"]


@pytest.mark.parametrize("part", ["analyzer", "processor"])
async def test_beside_an_existing_service_it_is_refused_and_nothing_is_kept(
    part: str, place: Place, tmp_path: Path
) -> None:
    makes: dict[str, Any] = {"analyzer": "ours", "processor": "ours", part: "existing"}
    async with (
        asyncio.timeout(OVERALL_S),
        running_system(tmp_path, place, **makes, **FAST) as system,
        aiohttp.ClientSession() as http,
    ):
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("images", PHOTO, filename="photo.jpg")
        form.add_field("options", '{"metadata": {"title": "keep"}}')
        async with http.post(f"{system.gateway.base_url}/api/v1/batch", data=form) as answer:
            problem = await answer.json()
            assert (answer.status, problem["code"]) == (400, "metadata_options_refused")
        async with http.get(f"{system.gateway.base_url}/api/v1/batch") as answer:
            assert (await answer.json())["total"] == 0
        assert await keys_in(place.store, place.names.original) == []

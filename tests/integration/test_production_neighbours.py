"""Analyzers and processors that fail, stop or die in the middle of their work: each image still ends as it should."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from tests.busy_client import FAST, a_busy_system, deadline_beside
from tests.following import follow
from tests.photos import a_jpeg
from tests.servers.chat_completions import Answer, says, silence, status, vision_server, words
from tests.servers.system import Make, Place, gateway_at, running_system
from tests.servers.wire import consumer
from tests.submitting import job_of, submit_files

OVERALL_S = 200


async def test_a_model_that_fails_for_a_while_costs_no_image_and_one_that_always_fails_that_image_alone(
    place: Place, tmp_path: Path
) -> None:
    names = ["good1.jpg", "bad.jpg", "good2.jpg", "good3.jpg"]
    async with (
        asyncio.timeout(OVERALL_S),
        running_system(
            tmp_path,
            place,
            analyzer="existing",
            analyzer_variables={"FAIL_FIRST": "2", "FAIL_NAMES": "bad*"},
            **FAST,
        ) as system,
        aiohttp.ClientSession() as http,
    ):
        base_url = system.gateway.base_url
        job_id = await submit_files(http, base_url, [(name, a_jpeg()) for name in names])
        await follow(http, base_url, job_id)
        images = {
            image["original_filename"]: image for image in (await job_of(http, base_url, job_id))["images"]
        }
        assert {name: image["status"] for name, image in images.items()} == {
            "good1.jpg": "completed",
            "bad.jpg": "failed",
            "good2.jpg": "completed",
            "good3.jpg": "completed",
        }
        assert images["bad.jpg"]["code"] == "analysis_failed"
        again = [
            image
            for image in images.values()
            if f"{image['trace_id']}-a2/" in image.get("processed_path", "")
        ]
        assert len(again) == 2


async def test_an_image_whose_messages_vanish_fails_with_the_state_of_the_queues(
    place: Place, tmp_path: Path
) -> None:
    """As with an `image_upload` that has no dead letter address: what the analyzer rejects is lost there."""
    settings = FAST | {"jobs_result_timeout_s": 1, "jobs_max_attempts": 2}
    async with (
        asyncio.timeout(OVERALL_S),
        gateway_at(place, tmp_path, **settings) as gateway,
        consumer(place.broker_url, "image_upload") as uploads,
        consumer(place.broker_url, "metadata_generated"),
        aiohttp.ClientSession() as http,
    ):
        job_id = await submit_files(http, gateway.base_url, [("photo.jpg", a_jpeg())])
        await follow(http, gateway.base_url, job_id)
        (image,) = (await job_of(http, gateway.base_url, job_id))["images"]
        assert (image["status"], image["code"]) == ("failed", "no_result")
        assert (
            "image_upload: 0 messages, 1 consumer; metadata_generated: 0 messages, 1 consumer"
            in image["error"]
        )
        sent = [json.loads(upload)["trace_id"] for upload in uploads]
        assert sent == [image["trace_id"], f"{image['trace_id']}-a2"]
        assert gateway.complaints() == []


@pytest.mark.parametrize("make", ["ours", "existing"])
async def test_services_that_are_restarted_under_load_cost_no_image(
    make: Make, place: Place, tmp_path: Path
) -> None:
    """The existing analyzer rejects what it has in hand then, and its messages may be lost."""
    settings = {**FAST, **deadline_beside(make), "within_s": OVERALL_S}
    async with a_busy_system(tmp_path, place, analyzer=make, processor=make, **settings) as client:
        for program in (client.system.analyzer, client.system.processor):
            assert (await program.stop()).code == 0
            await program.start()
        await client.sees_everything_end_well()


async def test_workers_of_ours_that_are_killed_under_load_cost_no_attempt(
    place: Place, tmp_path: Path
) -> None:
    """What they had in hand comes again, to whoever is there."""
    async with a_busy_system(tmp_path, place, within_s=OVERALL_S, **FAST) as client:
        for program in (client.system.analyzer, client.system.processor):
            await program.kill()
            await program.start()
        await client.sees_everything_end_well()
        for image in await client.images():
            assert image["processed_path"].startswith(f"{image['trace_id']}/")


@pytest.mark.parametrize(
    ("answer", "code", "attempts", "error"),
    [
        (
            says("I'm sorry, I can't help with that."),
            "analysis_refused",
            1,
            "the analyzer rejected the image once: The model refuses to describe this image.",
        ),
        (
            status(401),
            "analysis_unavailable",
            2,
            "the analyzer rejected the image 2 times: The vision endpoint ",
        ),
    ],
    ids=["picture refused", "key refused"],
)
async def test_why_an_analyzer_of_ours_rejects_an_image_is_said_of_it_and_a_refused_picture_is_asked_for_once(
    answer: Answer, code: str, attempts: int, error: str, place: Place, tmp_path: Path
) -> None:
    async with vision_server(answer) as server:
        variables = {
            "GATEWAY_VISION_URL": server.url,
            "OPENROUTER_API_KEY": "sk",
            "GATEWAY_VISION_MAX_TRIES": "1",
        }
        async with (
            asyncio.timeout(OVERALL_S),
            running_system(
                tmp_path,
                place,
                analyzer_variables=variables,
                **FAST | {"jobs_max_attempts": 2, "jobs_unavailable_pause_s": 0.1},
            ) as system,
            aiohttp.ClientSession() as http,
        ):
            job_id = await submit_files(http, system.gateway.base_url, [("photo.jpg", a_jpeg())])
            await follow(http, system.gateway.base_url, job_id)
            (image,) = (await job_of(http, system.gateway.base_url, job_id))["images"]
            assert (image["status"], image["code"]) == ("failed", code)
            assert image["error"].startswith(error)
        assert len(server.asked) == attempts


async def test_a_stop_in_the_middle_of_a_request_to_a_model_costs_no_attempt(
    place: Place, tmp_path: Path
) -> None:
    """The image is given back when the time of a stop is over, whatever its request does."""
    async with vision_server(silence(), words("A cat", "It sleeps.", ["cat"])) as server:
        variables = {
            "GATEWAY_VISION_URL": server.url,
            "OPENROUTER_API_KEY": "sk",
            "GATEWAY_ANALYZER_STOP_TIMEOUT_S": "0.2",
        }
        async with (
            asyncio.timeout(OVERALL_S),
            running_system(tmp_path, place, analyzer_variables=variables, **FAST) as system,
            aiohttp.ClientSession() as http,
        ):
            job_id = await submit_files(http, system.gateway.base_url, [("photo.jpg", a_jpeg())])
            while not server.asked:
                await asyncio.sleep(0.05)
            assert (await system.analyzer.stop()).code == 0
            await system.analyzer.start()
            await follow(http, system.gateway.base_url, job_id)
            (image,) = (await job_of(http, system.gateway.base_url, job_id))["images"]
        assert image["metadata"]["title"] == "A cat"
        assert image["processed_path"].startswith(f"{image['trace_id']}/")
        assert len(server.asked) == 2

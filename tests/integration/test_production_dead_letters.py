"""Dead letters of whole systems: an existing analyzer's rejects by HTTP, and a gateway that is killed in its sweep."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.following import follow
from tests.photos import a_jpeg
from tests.servers.gateway import Gateway
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.s3 import S3Server
from tests.servers.system import Place, gateway_at, running_system
from tests.servers.tcp_proxy import tcp_proxy
from tests.servers.wire import patiently, wire
from tests.submitting import job_of, submit_files

OVERALL_S = 200
LETTERS = "/api/v1/dead-letters"
FAST: dict[str, Any] = {"jobs_poll_s": 0.1, "jobs_watch_every_s": 0.2}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http, asyncio.timeout(OVERALL_S):
        yield http


async def letters_of(http: aiohttp.ClientSession, gateway: Gateway) -> dict[str, Any]:
    async with http.get(gateway.url(LETTERS)) as answer:
        assert answer.status == 200
        page: dict[str, Any] = await answer.json()
    return page


async def some_letters(http: aiohttp.ClientSession, gateway: Gateway, number: int) -> list[dict[str, Any]]:
    """All that there are, once there are so many."""
    async for _ in patiently(f"{number} dead letters"):
        page = await letters_of(http, gateway)
        if page["total"] == number:
            return list(page["dead_letters"])
    raise AssertionError


async def requeue(http: aiohttp.ClientSession, gateway: Gateway, letter: str) -> tuple[int, dict[str, Any]]:
    async with http.post(gateway.url(f"{LETTERS}/{letter}/requeue")) as answer:
        return answer.status, await answer.json()


async def test_what_an_existing_analyzer_rejects_is_listed_tried_again_as_a_new_job_and_deleted(
    place: Place, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    rejecting: dict[str, Any] = {"analyzer": "existing", "analyzer_variables": {"FAIL_NAMES": "bad*"}}
    async with running_system(tmp_path, place, **rejecting, jobs_attempt_pause_s=0.1, **FAST) as system:
        gateway = system.gateway
        job_id = await submit_files(http, gateway.base_url, [("good.jpg", a_jpeg()), ("bad.jpg", a_jpeg())])
        await follow(http, gateway.base_url, job_id)
        image = (await job_of(http, gateway.base_url, job_id))["images"][1]
        letters = await some_letters(http, gateway, 3)
        names = [f"{image['trace_id']}{attempt}" for attempt in ("-a3", "-a2", "")]
        assert [letter["id"] for letter in letters] == names
        for letter, name in zip(letters, names, strict=True):
            told = {key: letter[key] for key in ("job_id", "index", "queue", "reason", "code", "count")}
            assert told == {
                "job_id": job_id,
                "index": 1,
                "queue": "image_upload",
                "reason": "rejected",
                "code": "analysis_failed",
                "count": 1,
            }
            assert (letter["body"]["trace_id"], letter["body"]["group_id"]) == (name, job_id)

        status, again = await requeue(http, gateway, names[0])
        assert (status, again["retry_of"]) == (201, job_id)
        await follow(http, gateway.base_url, again["job_id"])
        assert len(await some_letters(http, gateway, 5)) == 5
        async with http.delete(gateway.url(LETTERS)) as answer:
            assert await answer.json() == {"deleted": 5}
        assert (await letters_of(http, gateway))["total"] == 0


async def test_an_image_that_waits_after_a_reject_is_sent_again_at_once_when_somebody_asks(
    place: Place, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """What made the analyzer fail is mended, and nobody wants to wait an hour."""
    rejecting: dict[str, Any] = {"analyzer": "existing", "analyzer_variables": {"FAIL_FIRST": "1"}}
    async with running_system(tmp_path, place, **rejecting, jobs_attempt_pause_s=3600, **FAST) as system:
        gateway = system.gateway
        job_id = await submit_files(http, gateway.base_url, [("photo.jpg", a_jpeg())])
        (letter,) = await some_letters(http, gateway, 1)
        status, again = await requeue(http, gateway, letter["id"])
        assert (status, again) == (
            202,
            {"job_id": job_id, "index": 0, "trace_id": letter["trace_id"], "attempt": 2},
        )
        await follow(http, gateway.base_url, job_id)
        (image,) = (await job_of(http, gateway.base_url, job_id))["images"]
        assert image["status"] == "completed"
        assert (await letters_of(http, gateway))["total"] == 0


async def test_a_gateway_that_is_killed_between_commit_and_ack_shows_the_letter_once_and_counts_it_once(
    rabbitmq: RabbitMQ, rabbitmq_url: str, own_store: S3Server, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with tcp_proxy(rabbitmq.port) as proxy, wire(rabbitmq_url) as line:
        place = Place(str(URL(rabbitmq_url).with_port(proxy.port)), own_store)
        async with gateway_at(place, tmp_path, jobs_attempt_pause_s=0.1, **FAST) as gateway:
            job_id = await submit_files(http, gateway.base_url, [("photo.jpg", a_jpeg())])
            (image,) = (await job_of(http, gateway.base_url, job_id))["images"]
            trace_id = image["trace_id"]
            # The letter reaches the gateway, and from then on nothing reaches the broker.
            proxy.once_passed(trace_id.encode(), proxy.freeze)
            await line.reject("image_upload")
            await some_letters(http, gateway, 1)
            await gateway.kill()
            proxy.cut()
            await line.holds("dead_letter_queue", 1)

            await gateway.start()
            async for _ in patiently("the dead letter again"):
                if any(entry["event"] == "late dead letter" for entry in gateway.log()):
                    break
            await line.holds("dead_letter_queue", 0)
            assert len(await some_letters(http, gateway, 1)) == 1
            assert (await line.take("image_upload")).json["trace_id"] == f"{trace_id}-a2"
            assert await line.take_if_any("image_upload") is None
        assert gateway.complaints() == []

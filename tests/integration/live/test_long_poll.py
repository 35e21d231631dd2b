"""The status of a job, asked for in such a way that the answer waits for news."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.domain.job import Job
from gateway.events.settings import SubscriberSettings
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import SHUTDOWN_S, QuietGateway, quiet_gateway
from tests.servers.raw_http import connection, head
from tests.streamed_answers import streamed

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"


def path_of(job: Job) -> str:
    return f"/api/v1/batch/{job.job_id}"


async def status_of(quiet: QuietGateway, job: Job, **query: Any) -> Any:
    async with quiet.http.get(path_of(job), params=query) as answer:
        assert answer.status == 200
        return await answer.json()


async def newest(quiet: QuietGateway, job: Job) -> str:
    return str((await status_of(quiet, job))["id"])


@asynccontextmanager
async def a_poll(
    quiet: QuietGateway, job: Job, **headers: str
) -> AsyncIterator[asyncio.Task[aiohttp.ClientResponse]]:
    """One that waits for what comes after the present state."""
    query = {"wait": "60", "after": await newest(quiet, job)}
    poll = asyncio.create_task(quiet.http.get(path_of(job), params=query, headers=headers))
    await until_waiting(quiet, 1)
    try:
        yield poll
    finally:
        if not poll.done():
            poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)


async def until_waiting(quiet: QuietGateway, polls: int) -> None:
    """Until so many jobs are listened to, each by one poll."""
    async with asyncio.timeout(PATIENCE_S):
        while quiet.context.hub.topics != polls:
            await asyncio.sleep(0.01)


class TestAnsweredAtOnce:
    @pytest.mark.parametrize("after", [None, "", "0", "nonsense", "other:1"])
    async def test_where_there_is_nothing_to_wait_behind(
        self, quiet: QuietGateway, after: str | None
    ) -> None:
        job = await quiet.accept()
        query = {"wait": 60} if after is None else {"wait": 60, "after": after}
        async with asyncio.timeout(PATIENCE_S):
            assert (await status_of(quiet, job, **query))["status"] == "pending"

    async def test_a_position_that_is_past(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        seen = await newest(quiet, job)
        await quiet.complete(job.job_id, 0)
        async with asyncio.timeout(PATIENCE_S):
            assert (await status_of(quiet, job, wait=60, after=seen))["completed"] == 1

    async def test_a_job_that_has_ended(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=1)
        await quiet.complete(job.job_id, 0)
        async with asyncio.timeout(PATIENCE_S):
            await status_of(quiet, job, wait=60, after=await newest(quiet, job))


class TestAnsweredLater:
    async def test_when_the_job_changes(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with a_poll(quiet, job) as poll:
            await quiet.complete(job.job_id, 0)
            answer = await (await poll).json()
        assert answer == await status_of(quiet, job)
        assert answer["completed"] == 1

    async def test_when_the_time_is_over(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        before = await status_of(quiet, job)
        assert await status_of(quiet, job, wait=1, after=before["id"]) == before

    async def test_with_the_version_that_a_plain_answer_has(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with a_poll(quiet, job) as poll:
            await quiet.complete(job.job_id, 0)
            version = (await poll).headers["ETag"]
        async with quiet.http.get(path_of(job)) as answer:
            assert answer.headers["ETag"] == version

    async def test_with_304_when_nothing_has_changed(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with quiet.http.get(path_of(job)) as answer:
            version, seen = answer.headers["ETag"], (await answer.json())["id"]
        query = {"wait": "1", "after": seen}
        async with quiet.http.get(path_of(job), params=query, headers={"If-None-Match": version}) as answer:
            assert answer.status == 304

    async def test_with_the_images_alone_that_were_asked_for(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        query = {"wait": "60", "after": await newest(quiet, job), "status": "completed"}
        poll = asyncio.create_task(quiet.http.get(path_of(job), params=query))
        await until_waiting(quiet, 1)
        await quiet.complete(job.job_id, 1)
        assert [image["index"] for image in (await (await poll).json())["images"]] == [1]

    async def test_with_the_present_state_when_the_gateway_stops(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with a_poll(quiet, job) as poll:
            async with asyncio.timeout(SHUTDOWN_S - 1):
                await quiet.stop_doors()
            assert (await (await poll).json())["status"] == "pending"

    async def test_with_404_when_the_job_is_deleted(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with a_poll(quiet, job) as poll:
            await quiet.ledger.delete(job.job_id)
            assert (await poll).status == 404

    async def test_and_the_connection_may_be_used_for_the_next(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        seen = await newest(quiet, job)
        async with connection(quiet.port) as line:
            for index in range(2):
                await line.send(head("GET", f"{path_of(job)}?wait=60&after={seen}"))
                await until_waiting(quiet, 1)
                await quiet.complete(job.job_id, index)
                answer = (await line.answer()).json
                assert answer["completed"] == index + 1
                seen = answer["id"]


async def test_all_who_wait_for_a_job_are_answered_by_one_change(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with a_poll(quiet, job) as one, a_poll(quiet, job) as other:
        await quiet.complete(job.job_id, 0)
        assert await (await one).read() == await (await other).read()


async def test_it_takes_a_place_as_long_as_it_waits(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(max_connections=1)) as gateway:
        job = await gateway.accept()
        async with a_poll(gateway, job) as poll:
            async with streamed(gateway.port, f"{path_of(job)}/events") as answer:
                assert answer.status == 429
            await gateway.complete(job.job_id, 0)
            await poll
        async with streamed(gateway.port, f"{path_of(job)}/events") as answer:
            assert answer.status == 200


async def test_where_all_places_are_taken_it_is_429(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(max_connections=1)) as gateway:
        job = await gateway.accept()
        query = {"wait": "60", "after": await newest(gateway, job)}
        async with streamed(gateway.port, f"{path_of(job)}/events"):
            async with gateway.http.get(path_of(job), params=query) as answer:
                assert (answer.status, (await answer.json(content_type=None))["code"]) == (
                    429, "too_many_subscribers",
                )  # fmt: skip
            await status_of(gateway, job, wait=60)


async def test_a_client_that_leaves_frees_its_place_at_once(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    seen = await newest(quiet, job)
    async with connection(quiet.port) as line:
        await line.send(head("GET", f"{path_of(job)}?wait=60&after={seen}"))
        await until_waiting(quiet, 1)
    await until_waiting(quiet, 0)


@pytest.mark.parametrize("wait", ["0", "61", "-1", "1.5", "soon", ""])
async def test_a_time_that_is_none_is_refused(quiet: QuietGateway, wait: str) -> None:
    job = await quiet.accept()
    async with quiet.http.get(path_of(job), params={"wait": wait}) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (400, "bad_parameter")


@pytest.mark.parametrize(("slip", "meant"), [("wiat", "wait"), ("waits", "wait"), ("afer", "after")])
async def test_a_misspelt_parameter_is_refused_for_it_would_be_answered_at_once(
    quiet: QuietGateway, slip: str, meant: str
) -> None:
    job = await quiet.accept()
    async with quiet.http.get(path_of(job), params={slip: "1"}) as answer:
        problem = await answer.json(content_type=None)
    assert (answer.status, problem["code"]) == (400, "unknown_parameter")
    assert problem["detail"].endswith(f"but there is {meant}.")


async def test_an_unknown_job_is_404(quiet: QuietGateway) -> None:
    async with quiet.http.get(f"/api/v1/batch/{UNKNOWN}", params={"wait": "1", "after": "0"}) as answer:
        assert answer.status == 404

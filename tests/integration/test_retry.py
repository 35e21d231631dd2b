"""Failed images of a real gateway are tried again on what is kept: after a SIGKILL too, and for as long as they may be.

Its analyzer asks a model, which has its bad days: what it answers then nobody can use, and the image fails.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from attrs import define

from tests.following import follow
from tests.pictures import china, picture_data, tags_of
from tests.servers.chat_completions import VisionServer, says, vision_server, when, words
from tests.servers.gateway import Gateway, running_gateway
from tests.submitting import Fields, job_of, processed_of, submit_files

NONSENSE = says("What a nice picture!")
BRIDGE = words("A bridge over a lake", "A bridge leads to a temple.", ["bridge", "lake"])
PATIENCE_S = 60
KEEP_S = 5


@define(eq=False)
class World:
    gateway: Gateway
    model: VisionServer
    http: aiohttp.ClientSession

    @property
    def originals(self) -> set[str]:
        return self.gateway.objects["original"]

    async def failed(self, images: int = 1) -> str:
        """A job whose images have failed, for the model had a bad day, which is over."""
        job_id = await submit_files(
            self.http, self.gateway.base_url, [(f"{number}.jpg", china()) for number in range(images)]
        )
        await follow(self.http, self.gateway.base_url, job_id)
        job = await self.job(job_id)
        assert (job["outcome"], job["images"][0]["code"]) == ("all_failed", "analysis_unreadable")
        self.model.answers = (BRIDGE,)
        return job_id

    async def retry(self, job_id: str, *indices: int, key: str = "") -> str:
        """The new job."""
        url = self.gateway.url(f"/api/v1/batch/{job_id}/retry")
        headers = {"Idempotency-Key": key} if key else {}
        said = {"images": indices} if indices else {}
        async with self.http.post(url, json=said, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            return str((await answer.json())["job_id"])

    async def retry_across_kills(self, job_id: str, index: int) -> str:
        """Asked again under its key until there is an answer."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    return await self.retry(job_id, index, key=f"image {index}")
                await asyncio.sleep(0.02)

    async def ended(self, job_id: str) -> Fields:
        await follow(self.http, self.gateway.base_url, job_id)
        return await self.job(job_id)

    async def job(self, job_id: str) -> Fields:
        return await job_of(self.http, self.gateway.base_url, job_id)

    async def jobs(self) -> Sequence[Fields]:
        async with self.http.get(self.gateway.url("/api/v1/batch?limit=500")) as answer:
            return list((await answer.json())["jobs"])

    async def restart_hard(self) -> None:
        await self.gateway.kill()
        await self.gateway.start()

    async def is_gone(self, job_id: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while job_id in {job["job_id"] for job in await self.jobs()}:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def a_world(folder: Path, **settings: object) -> AsyncIterator[World]:
    async with (
        vision_server(NONSENSE) as model,
        running_gateway(
            folder / "data",
            environment={"OPENROUTER_API_KEY": "sk-or-v1-secret"},
            vision_url=model.url,
            vision_max_tries=1,
            jobs_max_attempts=1,
            **settings,
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        yield World(gateway, model, http)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


async def test_a_batch_whose_analysis_failed_completes_without_being_sent_again(world: World) -> None:
    first = await world.failed(images=2)
    kept, before = world.originals, await world.job(first)
    again = await world.ended(await world.retry(first))
    assert (again["outcome"], again["completed"], again["retry_of"]) == ("all_completed", 2, first)
    copy = await processed_of(world.http, world.gateway.base_url, again["job_id"], 0)
    assert picture_data(copy) == picture_data(china())
    assert tags_of(copy)["IPTC:Headline"] == "A bridge over a lake"
    assert world.originals == kept
    assert await world.job(first) == before


@pytest.mark.parametrize("when_killed", ["before the retry", "after the answer to it"])
async def test_a_sigkill_beside_a_retry_loses_nothing(world: World, when_killed: str) -> None:
    first = await world.failed()
    if when_killed == "before the retry":
        await world.restart_hard()
    job_id = await world.retry(first)
    if when_killed != "before the retry":
        await world.restart_hard()
    again = await world.ended(job_id)
    assert (again["outcome"], again["retry_of"]) == ("all_completed", first)


async def test_retries_that_a_sigkill_cuts_off_are_made_once_each(world: World) -> None:
    first = await world.failed(images=20)
    kept = world.originals
    retries = [asyncio.create_task(world.retry_across_kills(first, index)) for index in range(20)]
    await asyncio.wait(retries, return_when=asyncio.FIRST_COMPLETED)
    await world.restart_hard()
    job_ids = await asyncio.gather(*retries)
    await world.restart_hard()
    assert await asyncio.gather(*(world.retry_across_kills(first, index) for index in range(20))) == job_ids
    ends = [await world.ended(job_id) for job_id in job_ids]
    assert [end["images"][0]["original_filename"] for end in ends] == [f"{index}.jpg" for index in range(20)]
    assert {end["outcome"] for end in ends} == {"all_completed"}
    assert {job["job_id"] for job in await world.jobs()} == {first, *job_ids}
    assert world.originals == kept


async def test_an_original_is_kept_for_the_retry_that_works_on_it_and_goes_with_it(tmp_path: Path) -> None:
    async with a_world(tmp_path, jobs_keep_s=KEEP_S, jobs_clean_every_s=0.1) as world:
        first = await world.failed(images=2)
        name = (await world.job(first))["images"][1]["trace_id"]
        goes_on = asyncio.Event()
        world.model.answers = (when(goes_on, BRIDGE),)
        job_id = await world.retry(first, 1)
        await world.is_gone(first)
        (left,) = world.originals
        assert left.startswith(f"{name}/")
        goes_on.set()
        again = await world.ended(job_id)
        assert again["outcome"] == "all_completed"
        await world.is_gone(job_id)
        assert (world.originals, world.gateway.objects["processed"]) == (set(), set())

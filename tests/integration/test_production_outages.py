"""Broker or object store killed and started again while batches are in every stage: nothing is lost, nothing hangs,
and readyz tells the truth meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import define, field

from tests.following import Followed, follow
from tests.pictures import china
from tests.servers.rabbitmq import running_rabbitmq
from tests.servers.s3 import running_rclone
from tests.servers.system import Make, Place, System, running_system
from tests.submitting import job_of, readiness, submit_files

OVERALL_S = 90
BATCHES = 6
IMAGES = 8
FAST: dict[str, Any] = {
    "jobs_poll_s": 0.2,
    "jobs_watch_every_s": 0.2,
    "jobs_attempt_pause_s": 0.1,
    "jobs_result_timeout_s": 4,
}


@define(eq=False)
class Client:
    """Submits batches and follows each to its end."""

    http: aiohttp.ClientSession
    system: System
    _following: dict[str, asyncio.Task[Followed]] = field(factory=dict)

    async def submit(self) -> None:
        photos = [(f"photo{number}.jpg", china()) for number in range(IMAGES)]
        base_url = self.system.gateway.base_url
        job_id = await submit_files(self.http, base_url, photos)
        self._following[job_id] = asyncio.create_task(follow(self.http, base_url, job_id))

    async def jobs(self) -> Sequence[dict[str, Any]]:
        base_url = self.system.gateway.base_url
        return [await job_of(self.http, base_url, job_id) for job_id in self._following]

    async def some_are_in_every_stage(self) -> None:
        """Returns once images have ended, others are in the pipeline, and others wait for their place in it."""
        while True:
            states = [image["status"] for job in await self.jobs() for image in job["images"]]
            if all(states.count(state) >= 3 for state in ("completed", "processing", "pending")):
                return
            await asyncio.sleep(0.02)

    async def is_told(self, status: int, *, of: str) -> None:
        """Returns once readyz answers so; until then, too, no check fails but the one `of` what was killed."""
        while True:
            answered, body = await readiness(self.http, self.system.gateway.base_url)
            failing = {name for name, check in body["checks"].items() if check["status"] == "failing"}
            assert failing <= {of}, body
            assert answered == (503 if failing else 200)
            if answered == status:
                return
            await asyncio.sleep(0.05)

    async def followed(self) -> Sequence[Followed]:
        return await asyncio.gather(*self._following.values())


@asynccontextmanager
async def a_busy_client(system: System) -> AsyncIterator[Client]:
    """With batches in every stage."""
    async with aiohttp.ClientSession() as http:
        client = Client(http, system)
        for _ in range(BATCHES):
            await client.submit()
        await client.some_are_in_every_stage()
        yield client


async def everything_ended_well(client: Client) -> None:
    """Each image completed and counted once, each subscriber told."""
    for followed in await client.followed():
        assert (followed.types[-1], followed.close_code) == ("job_complete", 1000)
        ends = [frame["image"]["index"] for frame in followed.frames if frame["type"] == "image_complete"]
        assert sorted(ends) == list(range(IMAGES))
    for job in await client.jobs():
        assert [image["status"] for image in job["images"]] == ["completed"] * IMAGES, job
        assert (job["status"], job["completed"], job["failed"]) == ("completed", IMAGES, 0)


@pytest.mark.parametrize("make", ["ours", "existing"])
async def test_a_broker_that_is_killed_under_load_costs_nothing(make: Make, tmp_path: Path) -> None:
    """Of the existing services it loses what lay there, and they end with it: those images are sent again."""
    async with asyncio.timeout(OVERALL_S), running_rabbitmq(tmp_path / "rabbitmq") as node:
        with running_rclone(tmp_path / "s3") as store:
            async with (
                running_system(
                    tmp_path,
                    Place(node.url, store),
                    analyzer=make,
                    processor=make,
                    is_kept_alive=make == "existing",
                    **FAST,
                ) as system,
                a_busy_client(system) as client,
            ):
                await node.kill()
                await client.is_told(503, of="broker")
                await client.submit()
                await node.start()
                await client.is_told(200, of="broker")
                await everything_ended_well(client)


async def test_an_object_store_that_is_killed_under_load_costs_nothing(tmp_path: Path) -> None:
    async with asyncio.timeout(OVERALL_S), running_rabbitmq(tmp_path / "rabbitmq") as node:
        with running_rclone(tmp_path / "s3") as store:
            async with (
                running_system(tmp_path, Place(node.url, store), **FAST) as system,
                a_busy_client(system) as client,
            ):
                store.kill()
                await client.is_told(503, of="object_store")
                async with client.http.post(
                    system.gateway.url("/api/v1/batch?name=a.jpg"),
                    data=china(),
                    headers={"Content-Type": "image/jpeg"},
                ) as answer:
                    assert answer.status == 503
                    assert "Retry-After" in answer.headers
                store.start()
                await client.is_told(200, of="object_store")
                await client.submit()
                await everything_ended_well(client)

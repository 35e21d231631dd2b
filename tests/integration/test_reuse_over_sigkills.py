"""The same bytes sent all the time, to a gateway that removes its jobs soon and is killed at random instants: whatever
is told as completed has its tagged copy, and none is left in the end.
"""

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import define, field

from gateway.client import GatewayClient, Image, Job
from tests.following import follow
from tests.photos import a_jpeg
from tests.servers.gateway import Gateway, running_gateway

BATCH = "/api/v1/batch"
PATIENCE_S = 60
KILLS = 4
SENDERS = 2
SOON_S = 0.5
SOON = {"jobs_reuse": "true", "jobs_keep_s": str(SOON_S), "jobs_clean_every_s": "0.05"}
NEVER = {**SOON, "jobs_keep_s": "3600"}


@define(eq=False)
class Sender:
    """Sends the photo again and again, each time until it has ended; counts how often it was completed at once."""

    gateway: Gateway
    reused: int = field(init=False, default=0)

    async def run(self, enough: asyncio.Event) -> None:
        async with aiohttp.ClientSession() as http:
            while not enough.is_set():
                try:
                    await self._send(http)
                except aiohttp.ClientError:  # it stops, or was killed
                    await asyncio.sleep(0.05)

    async def _send(self, http: aiohttp.ClientSession) -> None:
        headers = {"Content-Type": "image/jpeg"}
        async with http.post(self.gateway.url(BATCH), data=a_jpeg(), headers=headers) as answer:
            answer.raise_for_status()  # 503: it stops
            job = await answer.json()
        self.reused += job["status"] == "completed"
        await follow(http, self.gateway.base_url, job["job_id"])
        await asyncio.sleep(0.02)  # so many jobs are enough


async def one_more_is_reused(senders: list[Sender]) -> None:
    before = sum(sender.reused for sender in senders)
    async with asyncio.timeout(PATIENCE_S):
        while sum(sender.reused for sender in senders) == before:
            await asyncio.sleep(0.01)


async def start_with(gateway: Gateway, settings: Mapping[str, str]) -> None:
    gateway.settings = settings
    await gateway.start()


async def every_copy_is_there(gateway: Gateway, due_before: datetime) -> int:
    """Of each image of jobs that were not due to be removed; returns how many of them were reused."""
    async with GatewayClient(gateway.base_url) as client:
        jobs: list[Job] = [await client.status(job.job_id) async for job in client.jobs()]
    kept = [job for job in jobs if job.completed_at is None or job.completed_at > due_before]
    images: list[Image] = [image for job in kept for image in job.images if image.status == "completed"]
    assert {image.processed_path for image in images} <= gateway.objects["processed"]
    return sum(image.reused_from is not None for image in images)


async def nothing_is_left(gateway: Gateway) -> None:
    async with GatewayClient(gateway.base_url) as client, asyncio.timeout(PATIENCE_S):
        while [job async for job in client.jobs()]:
            await asyncio.sleep(0.05)
    assert gateway.objects == {"original": set(), "processed": set(), ".tmp": set()}


@pytest.mark.timeout(180)
async def test_what_is_told_as_completed_is_there_over_sigkills_and_nothing_is_left(tmp_path: Path) -> None:
    rng, enough = random.Random(), asyncio.Event()
    together: Any = SOON
    reused = 0
    async with running_gateway(tmp_path / "data", **together) as gateway:
        senders = [Sender(gateway) for _ in range(SENDERS)]
        async with asyncio.TaskGroup() as running:
            for sender in senders:
                running.create_task(sender.run(enough))
            for _ in range(KILLS):
                await one_more_is_reused(senders)
                await asyncio.sleep(rng.uniform(SOON_S / 2, 2 * SOON_S))
                await gateway.kill()
                due_before = datetime.now(UTC) - timedelta(seconds=SOON_S)
                await start_with(gateway, NEVER)
                reused += await every_copy_is_there(gateway, due_before)
                await gateway.stop()
                await start_with(gateway, SOON)
            enough.set()
        assert reused
        await nothing_is_left(gateway)

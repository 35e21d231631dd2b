"""Whoever comes while images end, by whatever door, is told of each end once: by the opening, or by what follows it."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import pytest
from attrs import define, field

from gateway.domain.job import Job
from tests.integration.live.jobs_socket import jobs_socket
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway
from tests.streamed_answers import streamed

ROUNDS: Final = 12
COME_TOGETHER: Final = 4
ENDS: Final = 10
"""In each round, while some are about to come."""


@define(eq=False)
class Told:
    """What one was told of a job: by the opening, and by what came after it."""

    has_begun: asyncio.Event = field(factory=asyncio.Event)
    shown: list[int] = field(factory=list)
    ended: list[int] = field(factory=list)
    positions: list[int] = field(factory=list)

    def begin(self, message: Mapping[str, Any]) -> None:
        self.shown = [image["index"] for image in message["images"] if "end_time" in image]
        assert len(self.shown) == message["completed"] + message["failed"]
        self.positions.append(seq_of(message))
        self.has_begun.set()

    def take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "heartbeat":
            return
        if "image" in message:
            self.ended.append(message["image"]["index"])
            assert len(self.shown + self.ended) == message["completed"] + message["failed"]
        self.positions.append(seq_of(message))


def seq_of(message: Mapping[str, Any]) -> int:
    return int(message["id"].rpartition(":")[2])


async def by_websocket(quiet: QuietGateway, job: Job, told: Told) -> None:
    async with quiet.http.ws_connect(f"/api/v1/batch/{job.job_id}/ws?images=true") as socket:
        told.begin(await socket.receive_json())
        async for message in socket:
            told.take(message.json())
        assert socket.close_code == 1000


async def among_many(quiet: QuietGateway, job: Job, told: Told) -> None:
    async with jobs_socket(quiet) as jobs:
        told.begin(await jobs.follow(job.job_id, images=True))
        for message in await jobs.heard_until("job_complete"):
            told.take(message)


async def by_events(quiet: QuietGateway, job: Job, told: Told) -> None:
    async with streamed(quiet.port, f"/api/v1/batch/{job.job_id}/events?images=true") as answer:
        opening = await answer.event()
        assert opening is not None
        told.begin(opening.json)
        for event in await answer.events():
            told.take(event.json)


async def by_long_poll(quiet: QuietGateway, job: Job, told: Told) -> None:
    """Each status shows all there is."""
    status: Mapping[str, Any] = {"id": "", "status": "pending"}
    while status["status"] in ("pending", "processing"):
        asked = {"wait": "60", "after": status["id"]}
        async with quiet.http.get(f"/api/v1/batch/{job.job_id}", params=asked) as answer:
            status = await answer.json()
        told.begin(status)


async def by_results(quiet: QuietGateway, job: Job, told: Told) -> None:
    """Without an opening: the first lines are the ends there are."""
    async with streamed(quiet.port, f"/api/v1/batch/{job.job_id}/results?follow=true") as answer:
        told.has_begun.set()
        for result in map(json.loads, filter(None, await answer.texts())):
            told.ended.append(result["index"])
            told.positions.append(seq_of(result))


@pytest.mark.parametrize(
    "door",
    [by_websocket, among_many, by_events, by_long_poll, by_results],
    ids=lambda door: door.__name__,
)
async def test_each_end_is_told_once(
    quiet: QuietGateway, door: Callable[[QuietGateway, Job, Told], Coroutine[Any, Any, None]]
) -> None:
    """Some come, and ten images end, each as soon as the one before it was committed; then the next ones come."""
    job = await quiet.accept(images=ROUNDS * ENDS)
    everybody: list[Told] = []
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as following:
        for first in range(0, ROUNDS * ENDS, ENDS):
            coming = [Told() for _ in range(COME_TOGETHER)]
            for each in coming:
                following.create_task(door(quiet, job, each))
            for index in range(first, first + ENDS):
                await quiet.fail(job.job_id, index)
            for each in coming:
                await each.has_begun.wait()
            everybody += coming
    for each in everybody:
        assert sorted(each.shown + each.ended) == list(range(ROUNDS * ENDS))
        assert each.positions == sorted(each.positions)

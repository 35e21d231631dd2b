"""One log a job, whatever the door: the same events under the same ids, so who stops at one may go on at another."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import pytest

from gateway.domain.job import Job
from tests.following import follow
from tests.integration.live.jobs_socket import jobs_socket
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway
from tests.streamed_answers import streamed

Message = Mapping[str, Any]


async def by_websocket(quiet: QuietGateway, job: Job, after: str) -> list[Message]:
    return list((await follow(quiet.http, "", job.job_id, after=after)).frames)


async def by_events(quiet: QuietGateway, job: Job, after: str) -> list[Message]:
    async with streamed(quiet.port, f"/api/v1/batch/{job.job_id}/events?after={after}") as answer:
        return [event.json for event in await answer.events()]


async def among_many(quiet: QuietGateway, job: Job, after: str) -> list[Message]:
    async with jobs_socket(quiet) as jobs:
        opening = await jobs.follow(job.job_id, after=after)
        return [opening, *await jobs.heard_until("job_complete")]


async def results(quiet: QuietGateway, job: Job, after: str) -> list[Message]:
    async with streamed(quiet.port, f"/api/v1/batch/{job.job_id}/results?after={after}") as answer:
        return [json.loads(line) for line in await answer.texts()]


async def status(quiet: QuietGateway, job: Job, after: str) -> list[Message]:
    """Which shows all there is, and not what came after something."""
    query = {"wait": "60", "after": after}
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}", params=query) as answer:
        return [await answer.json()]


Door = Callable[[QuietGateway, Job, str], Awaitable[list[Message]]]
OF_EVENTS: Final = (by_websocket, by_events, among_many)
DOORS: Final = (*OF_EVENTS, results, status)


async def moved_on(quiet: QuietGateway, job: Job, *indexes: int) -> Job:
    for index in indexes:
        await quiet.publish(job.job_id, index)
        job = await (quiet.fail if index == 1 else quiet.complete)(job.job_id, index)
    return job


async def test_every_door_tells_the_same_under_the_same_ids(quiet: QuietGateway) -> None:
    job = await moved_on(quiet, await quiet.accept(images=3), 2, 0, 1)
    told, *others = [await door(quiet, job, "0") for door in OF_EVENTS]
    assert others == [told, told]
    ends = [message for message in told if message["type"] == "image_complete"]
    assert await results(quiet, job, "0") == [{"id": end["id"], **end["image"]} for end in ends]
    (shown,) = await status(quiet, job, "0")
    assert shown["id"] == told[-1]["id"]
    assert {image["index"]: image for image in shown["images"]} == {
        end["image"]["index"]: end["image"] for end in ends
    }


@pytest.mark.parametrize("next_door", [*OF_EVENTS, results], ids=lambda door: door.__name__)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_who_stops_at_one_goes_on_at_another(quiet: QuietGateway, door: Door, next_door: Door) -> None:
    """With what was missed, and nothing else."""
    job = await moved_on(quiet, await quiet.accept(images=3), 0)
    seen = await last_id(quiet, job, door)
    await moved_on(quiet, job, 1, 2)
    told = await next_door(quiet, job, seen)
    images = [message.get("image", message) for message in told]
    assert [image["index"] for image in images if "index" in image] == [1, 2]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_a_status_waits_behind_what_was_seen_at_any(quiet: QuietGateway, door: Door) -> None:
    job = await moved_on(quiet, await quiet.accept(images=3), 0)
    seen = await last_id(quiet, job, door)
    waiting = asyncio.create_task(status(quiet, job, seen))
    async with asyncio.timeout(PATIENCE_S):
        while quiet.context.hub.topics != 1:
            await asyncio.sleep(0.01)
        await quiet.complete(job.job_id, 2)
        (shown,) = await waiting
    assert shown["completed"] == 2


async def last_id(quiet: QuietGateway, job: Job, door: Door) -> str:
    """As it stands at that door, of a job that goes on."""
    path = f"/api/v1/batch/{job.job_id}"
    if door is by_websocket:
        async with quiet.http.ws_connect(f"{path}/ws") as socket:
            return str((await socket.receive_json(timeout=PATIENCE_S))["id"])
    if door is among_many:
        async with jobs_socket(quiet) as jobs:
            return str((await jobs.follow(job.job_id))["id"])
    if door is by_events:
        async with streamed(quiet.port, f"{path}/events") as answer:
            event = await answer.event()
            assert event is not None
            return str(event.id)
    return str((await door(quiet, job, "0"))[-1]["id"])

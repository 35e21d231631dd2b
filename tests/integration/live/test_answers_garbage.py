"""An answer that is over is gone at once: nothing of it is a circle of garbage, which stays until a collection."""

from collections.abc import Iterator

import pytest

from gateway.api.connections.protocol import Protocol
from gateway.api.live.http.stream import HttpStream
from gateway.domain.job import Job
from gateway.events.follower import Follower
from gateway.events.peer import Peer
from gateway.events.topic import Topic
from tests.gone_at_once import alive, gone, nothing_collected
from tests.servers.quiet_gateway import QuietGateway
from tests.streamed_answers import streamed

ANSWER = (HttpStream, Peer, Follower, Topic)
DOORS = ("events?after=0", "results?follow=true")


@pytest.fixture(autouse=True)
def nothing_is_collected(quiet: QuietGateway) -> Iterator[None]:
    with nothing_collected():
        yield


@pytest.fixture
async def job(quiet: QuietGateway) -> Job:
    """One of its two images has ended."""
    job = await quiet.accept(images=2)
    return await quiet.complete(job.job_id, 0)


@pytest.mark.parametrize("door", DOORS)
async def test_after_the_end_of_the_job_though_the_connection_stays(
    quiet: QuietGateway, job: Job, door: str
) -> None:
    async with streamed(quiet.port, f"/api/v1/batch/{job.job_id}/{door}") as answer:
        await answer.text()
        assert alive(*ANSWER) == ["Follower", "HttpStream", "Peer", "Topic"]
        await quiet.complete(job.job_id, 1)
        await answer.texts()
        await gone(*ANSWER)
        assert alive(Protocol)


@pytest.mark.parametrize("door", DOORS)
async def test_after_a_client_that_left(quiet: QuietGateway, job: Job, door: str) -> None:
    async with streamed(quiet.port, f"/api/v1/batch/{job.job_id}/{door}") as answer:
        await answer.text()
    await gone(*ANSWER, Protocol)

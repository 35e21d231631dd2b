"""Readers of events and results that are slow, or stand still: what they get, and what they hold."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import pytest

from gateway.domain.job import Job
from tests.integration.live.job_socket import all_failed
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway
from tests.servers.raw_http import HOST, Line, head
from tests.streamed_answers import StreamedAnswer, answered, streamed

IMAGES: Final = 100
AT_ONCE: Final = 10
"""Of them end."""
LONG_ERROR: Final = "x" * 100_000
VERSIONS: Final = ("1.1", "1.0")


@asynccontextmanager
async def deaf(quiet: QuietGateway, path: str, version: str = "1.1") -> AsyncIterator[StreamedAnswer]:
    """One that has read the head of its answer, and for which little is kept unread on its side."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.setblocking(False)
    await asyncio.get_running_loop().sock_connect(opened, (HOST, quiet.port))
    reader, writer = await asyncio.open_connection(sock=opened, limit=1 << 20)
    try:
        line = Line(reader, writer)
        await line.send(head("GET", path, version=version))
        answer = await answered(line)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        yield answer
    finally:
        writer.transport.abort()


async def fail_all(quiet: QuietGateway, job: Job) -> None:
    """With texts that fill every buffer on the way; in few commits, for who takes nothing is there for 10 s alone."""
    for first in range(0, IMAGES, AT_ONCE):
        indexes = range(first, first + AT_ONCE)
        await quiet.change(job.job_id, partial(all_failed, indexes=indexes, text=LONG_ERROR))


@pytest.mark.parametrize("version", VERSIONS)
async def test_who_reads_late_gets_each_end_and_that_of_the_job(quiet: QuietGateway, version: str) -> None:
    job = await quiet.accept(IMAGES)
    async with deaf(quiet, f"/api/v1/batch/{job.job_id}/events", version) as answer:
        await fail_all(quiet, job)
        answer.line.writer.transport.resume_reading()  # type: ignore[attr-defined]
        events = await answer.events()
    ends = [event.json["image"]["index"] for event in events if event.kind == "image_complete"]
    assert sorted(ends) == list(range(IMAGES))
    assert events[-1].kind == "job_complete"


@pytest.mark.parametrize("version", VERSIONS)
async def test_who_reads_results_late_gets_all_of_them(quiet: QuietGateway, version: str) -> None:
    job = await quiet.accept(IMAGES)
    async with deaf(quiet, f"/api/v1/batch/{job.job_id}/results?follow=true", version) as answer:
        await fail_all(quiet, job)
        answer.line.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await answer.texts()) == IMAGES


@pytest.mark.parametrize("door", ["events", "results?follow=true"])
async def test_who_takes_nothing_holds_up_nobody_and_is_cut_off(quiet: QuietGateway, door: str) -> None:
    job = await quiet.accept(IMAGES)
    async with deaf(quiet, f"/api/v1/batch/{job.job_id}/{door}"):
        async with streamed(quiet.port, f"/api/v1/batch/{job.job_id}/events") as reading:
            await fail_all(quiet, job)
            assert (await reading.events())[-1].kind == "job_complete"
        assert quiet.context.hub.topics == 1
        async with asyncio.timeout(PATIENCE_S):
            while quiet.context.hub.topics:
                await asyncio.sleep(0.05)

"""A subscriber holds a position, and no state of the job: of a large one that would be the most of what it costs."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp.http import HttpRequestParser

from gateway.domain.job import Job
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway


@asynccontextmanager
async def websocket(quiet: QuietGateway, job_id: str) -> AsyncIterator[None]:
    async with quiet.http.ws_connect(f"/api/v1/batch/{job_id}/ws") as opened:
        await opened.receive(timeout=PATIENCE_S)
        yield


@asynccontextmanager
async def events(quiet: QuietGateway, job_id: str) -> AsyncIterator[None]:
    async with quiet.http.get(f"/api/v1/batch/{job_id}/events") as answer, asyncio.timeout(PATIENCE_S):
        await answer.content.readuntil(b"\n\n")
        yield


@asynccontextmanager
async def results(quiet: QuietGateway, job_id: str) -> AsyncIterator[None]:
    await quiet.complete(job_id, 0)
    async with (
        quiet.http.get(f"/api/v1/batch/{job_id}/results?follow=true") as answer,
        asyncio.timeout(PATIENCE_S),
    ):
        await answer.content.readline()
        yield


@pytest.mark.parametrize("following", [websocket, events, results])
async def test_who_follows_a_job_holds_no_state_of_it(
    following: Callable[[QuietGateway, str], AbstractAsyncContextManager[None]], quiet: QuietGateway
) -> None:
    job_id = (await quiet.accept(images=3)).job_id
    async with following(quiet, job_id):
        state = weakref.ref(await quiet.context.latest.get(job_id))
        assert isinstance(state(), Job)
        await quiet.complete(job_id, 1)
        gc.collect()
        assert state() is None


async def test_a_websocket_keeps_nothing_that_reads_requests(quiet: QuietGateway) -> None:
    def readers_of_requests() -> int:
        return sum(type(each) is HttpRequestParser for each in gc.get_objects())

    job_id = (await quiet.accept()).job_id
    before = readers_of_requests()
    async with websocket(quiet, job_id):
        assert readers_of_requests() == before

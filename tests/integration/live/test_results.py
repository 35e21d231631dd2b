"""Images that have ended, one JSON object a line, in the order of their ends."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.api.live.audience import Audience
from gateway.api.live.event_texts import EventTexts
from gateway.api.live.http.door import HttpDoor
from gateway.api.live.http.results import Results
from gateway.api.live.http.wires import HttpWires
from gateway.domain import transitions
from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.events.settings import SubscriberSettings
from tests import builders
from tests.integration.live.jobs_socket import rename
from tests.integration.live.refusals import refusal
from tests.patience import PATIENCE_S
from tests.servers.application import listening
from tests.servers.quiet_gateway import SHUTDOWN_S, QuietGateway, quiet_gateway
from tests.servers.raw_http import connection, head
from tests.streamed_answers import StreamedAnswer, asked, streamed

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"
VERSIONS = ("1.1", "1.0")
BOTH = pytest.mark.parametrize("query", ["", "?follow=true"])


def path_of(job: Job, query: str = "") -> str:
    return f"/api/v1/batch/{job.job_id}/results{query}"


async def lines_of(quiet: QuietGateway, path: str, version: str = "1.1") -> list[Any]:
    async with streamed(quiet.port, path, version=version) as answer:
        assert answer.status == 200
        return [json.loads(line) for line in await answer.texts()]


async def result(answer: StreamedAnswer) -> Any:
    line = await answer.text()
    assert line is not None
    return json.loads(line)


async def a_job_that_ended_backwards(quiet: QuietGateway, images: int = 3) -> Job:
    job = await quiet.accept(images)
    for index in reversed(range(images)):
        job = await quiet.complete(job.job_id, index)
    return job


@BOTH
@pytest.mark.parametrize("version", VERSIONS)
async def test_they_come_in_the_order_of_their_ends(quiet: QuietGateway, query: str, version: str) -> None:
    job = await a_job_that_ended_backwards(quiet)
    lines = await lines_of(quiet, path_of(job, query), version)
    assert [line["index"] for line in lines] == [2, 1, 0]


async def test_each_is_the_image_as_it_is_shown_elsewhere_and_its_position(quiet: QuietGateway) -> None:
    job = await a_job_that_ended_backwards(quiet, images=1)
    (line,) = await lines_of(quiet, path_of(job))
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}/images/0") as answer:
        assert {name: value for name, value in line.items() if name != "id"} == await answer.json()
    assert next(iter(line)) == "id"


async def test_of_a_job_that_runs_those_that_have_ended_come(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=3)
    await quiet.complete(job.job_id, 1)
    assert [line["index"] for line in await lines_of(quiet, path_of(job))] == [1]


async def test_before_any_has_ended_there_is_none(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    assert await lines_of(quiet, path_of(job)) == []


async def test_those_that_ended_when_they_came_in_are_there(quiet: QuietGateway) -> None:
    job = await quiet.accept([builders.a_refused_image(0), builders.an_image(1)])
    (line,) = await lines_of(quiet, path_of(job))
    assert (line["index"], line["status"]) == (0, "failed")


async def test_many_come_piece_by_piece_and_none_is_missing(quiet: QuietGateway) -> None:
    job = await a_job_that_ended_backwards(quiet, images=100)
    lines = await lines_of(quiet, path_of(job))
    assert [line["index"] for line in lines] == list(reversed(range(100)))


@BOTH
async def test_they_go_on_behind_one_that_was_seen(quiet: QuietGateway, query: str) -> None:
    job = await a_job_that_ended_backwards(quiet)
    seen = (await lines_of(quiet, path_of(job)))[0]["id"]
    joint = "&" if query else "?"
    lines = await lines_of(quiet, path_of(job, f"{query}{joint}after={seen}"))
    assert [line["index"] for line in lines] == [1, 0]


@BOTH
@pytest.mark.parametrize("after", ["nonsense", "other:3", "0", ""])
async def test_from_an_unknown_position_they_come_from_the_start(
    quiet: QuietGateway, query: str, after: str
) -> None:
    job = await a_job_that_ended_backwards(quiet)
    joint = "&" if query else "?"
    assert len(await lines_of(quiet, path_of(job, f"{query}{joint}after={after}"))) == 3


@BOTH
async def test_behind_the_end_of_the_job_there_is_none(quiet: QuietGateway, query: str) -> None:
    job = await a_job_that_ended_backwards(quiet)
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}") as answer:
        last = (await answer.json())["id"]
    joint = "&" if query else "?"
    assert await lines_of(quiet, path_of(job, f"{query}{joint}after={last}")) == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_who_follows_gets_each_as_it_ends_until_the_job_does(quiet: QuietGateway, version: str) -> None:
    job = await quiet.accept(images=3)
    await quiet.complete(job.job_id, 2)
    async with streamed(quiet.port, path_of(job, "?follow=true"), version=version) as answer:
        assert (await result(answer))["index"] == 2
        for index in (0, 1):
            await quiet.publish(job.job_id, index)
            await quiet.complete(job.job_id, index)
            assert (await result(answer))["index"] == index
        assert await answer.text() is None


async def test_cancelled_ones_come_too(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    async with streamed(quiet.port, path_of(job, "?follow=true")) as answer:
        await quiet.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
        statuses = [json.loads(line)["status"] for line in await answer.texts()]
    assert statuses == ["cancelled", "cancelled"]


async def test_in_silence_who_follows_gets_an_empty_line(tmp_path: Path) -> None:
    settings = SubscriberSettings(heartbeat_s=0.2)
    async with quiet_gateway(tmp_path, subscribers=settings) as gateway:
        job = await gateway.accept(images=1)
        async with streamed(gateway.port, path_of(job, "?follow=true")) as answer:
            assert [await answer.text() for _ in range(2)] == ["", ""]


@BOTH
async def test_its_head_says_what_it_is_and_that_nobody_is_to_hold_it_back(
    quiet: QuietGateway, query: str
) -> None:
    job = await quiet.accept()
    async with streamed(quiet.port, path_of(job, query)) as answer:
        assert answer.headers["content-type"] == "application/jsonl"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"


@BOTH
async def test_the_connection_may_be_used_for_more_after_the_end(quiet: QuietGateway, query: str) -> None:
    job = await a_job_that_ended_backwards(quiet)
    async with connection(quiet.port) as line:
        assert len(await (await asked(line, path_of(job, query))).texts()) == 3
        await line.send(head("GET", f"/api/v1/batch/{job.job_id}"))
        assert (await line.answer()).json["status"] == "completed"


def lose_events(folder: Path, *, but: int) -> None:
    """The log has its first ones and no others, as after the repair of a broken file."""
    with closing(sqlite3.connect(folder / "jobs.sqlite")) as store, store:
        store.execute("DELETE FROM events WHERE place >= (SELECT min(place) FROM events) + ?", (but,))


@asynccontextmanager
async def impatient(quiet: QuietGateway) -> AsyncIterator[int]:
    """The port of a second door to its results, where nobody may take long."""
    context = quiet.context
    audience = Audience(SubscriberSettings(), context.background.stopping, context.metrics.subscribers)
    wires = HttpWires.of(context.stream, EventTexts(context.stream), 20.0, context.clock.now)
    results = Results(context, audience, HttpDoor(context, audience), wires.results, write_s=0.1)
    application = web.Application()
    application.add_routes(results.routes())
    async with listening(web.AppRunner(application)) as port:
        yield port


async def a_job_of_long_answers(quiet: QuietGateway) -> Job:
    """Longer than what the kernel holds of a connection that nobody reads."""
    failure = builders.a_failure(error="long " * 50_000)

    def fail(job: Job, index: int) -> Change | None:
        return transitions.fail(job, index, failure, job.updated_at)

    job = await quiet.accept(images=60)
    for index in range(60):
        job = await quiet.change(job.job_id, partial(fail, index=index))
    return job


class TestAnAnswerThatIsNotWhole:
    """A client must not take for all what is not: the answer breaks off, and has no end."""

    async def test_when_the_gateway_stops(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=2)
        async with streamed(quiet.port, path_of(job, "?follow=true")) as answer:
            await quiet.complete(job.job_id, 0)
            assert (await result(answer))["index"] == 0
            async with asyncio.timeout(SHUTDOWN_S - 1):
                await quiet.stop_doors()
            with pytest.raises(asyncio.IncompleteReadError):
                await answer.text()

    async def test_over_http_1_0_where_the_end_of_the_connection_would_be_one(
        self, quiet: QuietGateway
    ) -> None:
        job = await quiet.accept(images=2)
        async with streamed(quiet.port, path_of(job, "?follow=true"), version="1.0") as answer:
            await quiet.complete(job.job_id, 0)
            assert (await result(answer))["index"] == 0
            await quiet.stop_doors()
            with pytest.raises(ConnectionResetError):
                await answer.text()

    @pytest.mark.parametrize("version", VERSIONS)
    async def test_when_the_log_has_lost_its_end(
        self, quiet: QuietGateway, tmp_path: Path, version: str
    ) -> None:
        job = await a_job_that_ended_backwards(quiet)
        lose_events(tmp_path, but=2)
        async with streamed(quiet.port, path_of(job), version=version) as answer:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await answer.texts()

    @pytest.mark.parametrize("version", VERSIONS)
    async def test_when_nobody_reads_it(self, quiet: QuietGateway, version: str) -> None:
        job = await a_job_of_long_answers(quiet)
        with capture_logs() as log:
            async with impatient(quiet) as port, streamed(port, path_of(job), version=version) as answer:
                async with asyncio.timeout(PATIENCE_S):
                    while not [line for line in log if "slow reader of results" in line["event"]]:
                        await asyncio.sleep(0.02)
                with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                    await answer.texts()
        assert [line["log_level"] for line in log] == ["info"]

    async def test_when_the_log_can_not_be_read_by_one_who_follows(
        self, quiet: QuietGateway, tmp_path: Path
    ) -> None:
        job = await quiet.accept(images=2)
        await quiet.complete(job.job_id, 0)
        rename(tmp_path, "events", "elsewhere")
        async with streamed(quiet.port, path_of(job, "?follow=true")) as answer:
            with pytest.raises(asyncio.IncompleteReadError):
                await answer.text()

    async def test_when_the_job_is_deleted(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=2)
        async with streamed(quiet.port, path_of(job, "?follow=true")) as answer:
            await quiet.complete(job.job_id, 0)
            assert (await result(answer))["index"] == 0
            await quiet.ledger.delete(job.job_id)
            with pytest.raises(asyncio.IncompleteReadError):
                await answer.text()


class TestRefusals:
    @BOTH
    async def test_an_unknown_job(self, quiet: QuietGateway, query: str) -> None:
        assert await refusal(quiet, f"/api/v1/batch/{UNKNOWN}/results{query}") == (404, "job_not_found")

    async def test_a_log_that_is_lost(self, quiet: QuietGateway, tmp_path: Path) -> None:
        job = await a_job_that_ended_backwards(quiet)
        lose_events(tmp_path, but=0)
        assert await refusal(quiet, path_of(job)) == (503, "unavailable")

    async def test_a_flag_that_is_none(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        assert await refusal(quiet, path_of(job, "?follow=1")) == (400, "bad_parameter")

    async def test_its_head_alone(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with quiet.http.head(path_of(job)) as answer:
            assert answer.status == 405

    async def test_one_more_to_follow_than_there_are_places_but_all_may_look(self, tmp_path: Path) -> None:
        async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(max_connections=1)) as gateway:
            job = await gateway.accept()
            async with streamed(gateway.port, path_of(job, "?follow=true")):
                assert await refusal(gateway, path_of(job, "?follow=true")) == (429, "too_many_subscribers")
                assert await lines_of(gateway, path_of(job)) == []

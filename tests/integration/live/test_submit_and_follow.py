"""A batch that is sent and followed, or waited for, by one request."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.events.settings import SubscriberSettings
from gateway.intake.settings import IntakeSettings
from tests.patience import PATIENCE_S
from tests.pictures import plain
from tests.servers.quiet_gateway import SHUTDOWN_S, QuietGateway, quiet_gateway
from tests.servers.raw_http import Line, connection, head
from tests.streamed_answers import ServerSentEvent, StreamedAnswer, answered, streamed

STREAM = ("Accept", "text/event-stream")
BATCHES = "/api/v1/batch"
PHOTO = plain("JPEG")
AN_IMAGE = (("Content-Type", "image/jpeg"), ("Content-Length", len(PHOTO)))


async def sent(line: Line, *headers: tuple[str, object], path: str = BATCHES) -> None:
    """A batch of one image."""
    await line.send(head("POST", path, *AN_IMAGE, *headers), PHOTO)


async def heard(answer: StreamedAnswer) -> ServerSentEvent:
    event = await answer.event()
    assert event is not None
    return event


async def accepted_jobs(quiet: QuietGateway) -> list[str]:
    async with quiet.http.get(BATCHES) as answer:
        return [job["job_id"] for job in (await answer.json())["jobs"]]


async def the_only_job(quiet: QuietGateway) -> str:
    """As soon as there is one."""
    async with asyncio.timeout(PATIENCE_S):
        while not (jobs := await accepted_jobs(quiet)):
            await asyncio.sleep(0.01)
    (job_id,) = jobs
    return job_id


class TestFollowed:
    async def test_it_is_accepted_and_told_from_its_first_event_to_its_last(
        self, quiet: QuietGateway
    ) -> None:
        async with connection(quiet.port) as line:
            await sent(line, STREAM)
            answer = await answered(line)
            job_id = await the_only_job(quiet)
            assert (answer.status, answer.headers["location"]) == (201, f"{BATCHES}/{job_id}")
            assert answer.headers["content-type"] == "text/event-stream"
            opening = await heard(answer)
            assert (opening.json["job_id"], opening.json["completed"]) == (job_id, 0)
            await quiet.complete(job_id, 0)
            kinds = [event.kind for event in await answer.events()]
            assert kinds[-2:] == ["image_complete", "job_complete"]

    async def test_images_that_were_refused_when_they_came_in_are_told_too(self, quiet: QuietGateway) -> None:
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("images", io.BytesIO(b"no image"), filename="a.jpg")
        async with quiet.http.post(BATCHES, data=form, headers=dict([STREAM])) as answer:
            assert answer.status == 201
            text = await answer.text()
        assert [line for line in text.splitlines() if line.startswith("event:")] == [
            "event: progress", "event: image_complete", "event: job_complete",
        ]  # fmt: skip

    async def test_the_connection_may_be_used_for_more_after_the_end(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            for _ in range(2):
                await sent(line, STREAM)
                answer = await answered(line)
                await quiet.complete(answer.headers["location"].rpartition("/")[2], 0)
                assert (await answer.events())[-1].kind == "job_complete"

    async def test_a_client_that_leaves_does_not_stop_the_work(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            await sent(line, STREAM)
            await heard(await answered(line))
        job_id = await the_only_job(quiet)
        await quiet.complete(job_id, 0)
        assert await status_of(quiet, job_id) == "completed"

    async def test_a_repeat_follows_the_same_job(self, quiet: QuietGateway) -> None:
        key = ("Idempotency-Key", "once")
        async with connection(quiet.port) as line, connection(quiet.port) as later:
            await sent(line, STREAM, key)
            first = await answered(line)
            await sent(later, STREAM, key)
            second = await answered(later)
            assert second.headers["location"] == first.headers["location"]
            assert "idempotent-replayed" not in first.headers
            assert second.headers["idempotent-replayed"] == "true"
            await quiet.complete(await the_only_job(quiet), 0)
            assert await second.events() == await first.events()

    async def test_a_refused_batch_is_a_problem_as_ever(self, quiet: QuietGateway) -> None:
        async with quiet.http.post(BATCHES, json={"images": []}, headers=dict([STREAM])) as answer:
            assert answer.status == 400
            assert answer.content_type == "application/problem+json"

    async def test_a_retry_may_be_followed_as_well(self, quiet: QuietGateway) -> None:
        job_id = await an_accepted_job(quiet)
        await quiet.fail(job_id, 0)
        async with connection(quiet.port) as line:
            await line.send(head("POST", f"{BATCHES}/{job_id}/retry", STREAM))
            answer = await answered(line)
            assert answer.status == 201
            retried = answer.headers["location"].rpartition("/")[2]
            await quiet.complete(retried, 0)
            assert (await answer.events())[-1].json["job_id"] == retried != job_id


class TestWaitedFor:
    async def test_one_that_ends_in_time_is_answered_whole(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            await sent(line, ("Prefer", "wait=30"))
            job_id = await the_only_job(quiet)
            await quiet.complete(job_id, 0)
            answer = await line.answer()
        assert answer.status == 200
        assert answer.headers["preference-applied"] == "wait=30"
        assert answer.headers["location"] == f"{BATCHES}/{job_id}"
        async with quiet.http.get(f"{BATCHES}/{job_id}") as shown:
            assert answer.json == await shown.json()

    async def test_one_that_does_not_is_accepted_as_ever(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            await sent(line, ("Prefer", "wait=1"))
            answer = await line.answer()
        assert answer.status == 201
        assert answer.json["message"] == "Batch job created with 1 image"
        assert "preference-applied" not in answer.headers

    async def test_a_gateway_that_stops_answers_that_it_was_accepted(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            await sent(line, ("Prefer", "wait=60"))
            job_id = await the_only_job(quiet)
            async with asyncio.timeout(SHUTDOWN_S - 1):
                await quiet.stop_doors()
            answer = await line.answer()
        assert (answer.status, answer.json["job_id"]) == (201, job_id)

    async def test_a_job_that_is_deleted_meanwhile_was_accepted(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            await sent(line, ("Prefer", "wait=60"))
            job_id = await the_only_job(quiet)
            await quiet.ledger.delete(job_id)
            assert (await line.answer()).status == 201

    async def test_a_client_that_leaves_does_not_stop_the_work_and_frees_its_place(
        self, quiet: QuietGateway
    ) -> None:
        async with connection(quiet.port) as line:
            await sent(line, ("Prefer", "wait=60"))
            job_id = await the_only_job(quiet)
            await until_listened_to(quiet, 1)
        await until_listened_to(quiet, 0)
        await quiet.complete(job_id, 0)
        assert await status_of(quiet, job_id) == "completed"

    async def test_a_repeat_waits_for_the_same_job(self, quiet: QuietGateway) -> None:
        key = ("Idempotency-Key", "once")
        job_id = await an_accepted_job(quiet, key)
        await quiet.complete(job_id, 0)
        async with connection(quiet.port) as line:
            await sent(line, ("Prefer", "wait=60"), key)
            answer = await line.answer()
        assert (answer.status, answer.json["job_id"]) == (200, job_id)
        assert answer.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    "header", [None, STREAM, ("Prefer", "wait=60")], ids=["neither", "followed", "waited"]
)
async def test_a_client_that_leaves_before_any_answer_does_not_stop_the_work(
    quiet: QuietGateway, header: tuple[str, str] | None
) -> None:
    """All of its batch has come by then."""
    async with connection(quiet.port) as line:
        await sent(line, *([header] if header else []))
        line.writer.write_eof()
    job_id = await the_only_job(quiet)
    await until_listened_to(quiet, 0)
    await quiet.complete(job_id, 0)
    assert await status_of(quiet, job_id) == "completed"


class TestPlaces:
    """Following takes one, and whoever gets none has sent nothing for it."""

    @pytest.fixture
    async def with_one_place(self, tmp_path: Path) -> AsyncIterator[QuietGateway]:
        async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(max_connections=1)) as gateway:
            yield gateway

    @pytest.mark.parametrize("header", [STREAM, ("Prefer", "wait=10")])
    async def test_without_one_the_batch_is_refused_before_its_body_is_read(
        self, with_one_place: QuietGateway, header: tuple[str, str]
    ) -> None:
        job = await with_one_place.accept()
        following = streamed(with_one_place.port, f"{BATCHES}/{job.job_id}/events")
        async with following, connection(with_one_place.port) as line:
            await line.send(head("POST", BATCHES, *AN_IMAGE, ("Expect", "100-continue"), header))
            answer = await line.answer()
        assert (answer.status, answer.json["code"]) == (429, "too_many_subscribers")
        assert await accepted_jobs(with_one_place) == [job.job_id]

    async def test_who_asks_for_nothing_more_needs_none(self, with_one_place: QuietGateway) -> None:
        job = await with_one_place.accept()
        async with streamed(with_one_place.port, f"{BATCHES}/{job.job_id}/events"):
            await an_accepted_job(with_one_place)

    async def test_it_is_free_again_after_the_answer(self, with_one_place: QuietGateway) -> None:
        for _ in range(2):
            async with connection(with_one_place.port) as line:
                await sent(line, ("Prefer", "wait=1"))
                assert (await line.answer()).status == 201

    @pytest.fixture
    async def with_one_place_a_job(self, tmp_path: Path) -> AsyncIterator[QuietGateway]:
        async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(max_per_job=1)) as gateway:
            yield gateway

    @pytest.mark.parametrize("header", [STREAM, ("Prefer", "wait=60")])
    async def test_it_is_one_of_the_new_job(
        self, with_one_place_a_job: QuietGateway, header: tuple[str, str]
    ) -> None:
        quiet = with_one_place_a_job
        async with connection(quiet.port) as line:
            await sent(line, header)
            job_id = await the_only_job(quiet)
            await until_listened_to(quiet, 1)
            async with quiet.http.get(f"{BATCHES}/{job_id}/events") as one_more:
                assert one_more.status == 429
        await until_listened_to(quiet, 0)
        async with streamed(quiet.port, f"{BATCHES}/{job_id}/events") as free_again:
            assert free_again.status == 200

    @pytest.mark.parametrize("header", [STREAM, ("Prefer", "wait=60")])
    async def test_a_repeat_whose_job_has_none_left_is_told_that_it_was_accepted(
        self, with_one_place_a_job: QuietGateway, header: tuple[str, str]
    ) -> None:
        quiet, key = with_one_place_a_job, ("Idempotency-Key", "once")
        job_id = await an_accepted_job(quiet, key)
        async with streamed(quiet.port, f"{BATCHES}/{job_id}/events"), connection(quiet.port) as line:
            await sent(line, header, key)
            answer = await line.answer()
        assert (answer.status, answer.json["job_id"]) == (201, job_id)
        assert answer.headers["idempotent-replayed"] == "true"

    async def test_it_is_free_again_after_a_refused_batch(self, tmp_path: Path) -> None:
        intake = IntakeSettings(max_body_bytes=1024)
        one = SubscriberSettings(max_connections=1)
        async with quiet_gateway(tmp_path, subscribers=one, intake=intake) as gateway:
            for _ in range(2):
                async with gateway.http.post(BATCHES, data=b"x" * 2000, headers=dict([STREAM])) as answer:
                    assert answer.status in (413, 415)


async def an_accepted_job(quiet: QuietGateway, *headers: tuple[str, str]) -> str:
    of_image: Mapping[str, str] = {"Content-Type": "image/jpeg", **dict(headers)}
    async with quiet.http.post(BATCHES, data=PHOTO, headers=of_image) as answer:
        assert answer.status == 201
        return str((await answer.json())["job_id"])


async def status_of(quiet: QuietGateway, job_id: str) -> Any:
    async with quiet.http.get(f"{BATCHES}/{job_id}") as answer:
        return (await answer.json())["status"]


async def until_listened_to(quiet: QuietGateway, jobs: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while quiet.context.hub.topics != jobs:
            await asyncio.sleep(0.01)

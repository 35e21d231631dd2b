"""An image is sent again whose attempt ended as a dead letter: once for each letter."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from attrs import define, evolve

from gateway.domain.attempt import AttemptName
from gateway.domain.job import Image, Job, Stage, Status
from gateway.domain.transitions import cancel, fail
from gateway.errors import Conflict
from gateway.jobs.dead_letters.requeue import SentAgain
from gateway.ports.dead_letters import DeadLetterNotFound
from gateway.ports.object_store import Bucket, ObjectKey
from tests.builders import a_failure, attempt_of, complete
from tests.integration.jobs.parts import Parts
from tests.integration.jobs.stores import Watched
from tests.integration.jobs.test_collector import a_published_job
from tests.integration.jobs.test_dead_letters import give_up, publish_letter
from tests.integration.jobs.test_kept_dead_letters import kept


async def image_of(parts: Parts, job: Job) -> Image:
    return (await parts.jobs.get(job.job_id)).images[0]


async def a_failed_job(parts: Parts) -> Job:
    """By three dead letters."""
    job = await a_published_job(parts)
    for number in (1, 2, 3):
        image = await give_up(parts, job, number)
    assert image.status is Status.FAILED
    return await parts.jobs.get(job.job_id)


class TestOfAnOpenImage:
    async def test_one_that_waits_for_its_next_attempt_waits_no_longer(self, parts: Parts):
        job = await a_published_job(parts)
        image = await give_up(parts, job)
        assert image.not_before is not None
        again = await parts.requeue(image.trace_id)
        assert again == SentAgain(job.job_id, 0, AttemptName(image.trace_id, 2))
        image = await image_of(parts, job)
        assert (image.attempt, image.stage, image.not_before) == (2, Stage.PUBLISH, None)

    async def test_beside_an_attempt_that_is_under_way_a_further_one_is_made(self, parts: Parts):
        job = await a_published_job(parts)
        image = await give_up(parts, job)
        parts.clock.turn(60)
        await parts.dispatcher.run_once()
        again = await parts.requeue(image.trace_id)
        assert again == SentAgain(job.job_id, 0, AttemptName(image.trace_id, 3))
        assert (await image_of(parts, job)).stage is Stage.PUBLISH

    async def test_it_is_published_at_once(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(parts, job)
        await parts.requeue(job.images[0].trace_id)
        await parts.dispatcher.run_once()
        assert (await image_of(parts, job)).stage is Stage.RESULT

    async def test_its_letter_is_gone_and_good_for_no_further_attempt(self, parts: Parts):
        job = await a_published_job(parts)
        image = await give_up(parts, job)
        await parts.requeue(image.trace_id)
        assert await kept(parts) == []
        with pytest.raises(DeadLetterNotFound):
            await parts.requeue(image.trace_id)
        assert (await image_of(parts, job)).attempt == 2

    async def test_of_many_who_ask_at_once_one_gets_an_attempt(self, parts: Parts):
        job = await a_published_job(parts)
        image = await give_up(parts, job)
        parts.clock.turn(60)
        await parts.dispatcher.run_once()
        asked = await asyncio.gather(
            *(parts.requeue(image.trace_id) for _ in range(5)), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in asked) == ["DeadLetterNotFound"] * 4 + ["SentAgain"]
        assert (await image_of(parts, job)).attempt == 3

    async def test_its_message_that_comes_once_more_ends_no_attempt_and_shows_no_letter(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(parts, job)
        await parts.requeue(job.images[0].trace_id)
        image = await give_up(parts, job)
        assert image.attempt == 2
        assert await kept(parts) == []


class TestOfAFailedImage:
    async def test_a_new_job_tries_it_again(self, parts: Parts):
        job = await a_failed_job(parts)
        again = await parts.requeue(f"{job.images[0].trace_id}-a3")
        assert isinstance(again, Job)
        assert again.retry_of == job.job_id
        assert [image.original for image in again.images] == [job.images[0].original]
        assert await parts.jobs.get(again.job_id) == again
        assert await image_of(parts, job) == job.images[0]

    async def test_its_letter_is_gone_and_good_for_no_further_job(self, parts: Parts):
        job = await a_failed_job(parts)
        letter = f"{job.images[0].trace_id}-a3"
        await parts.requeue(letter)
        with pytest.raises(DeadLetterNotFound):
            await parts.requeue(letter)
        assert [letter.attempt for letter in await kept(parts)] == [2, 1]
        assert (await parts.jobs.page(limit=10)).total == 2

    async def test_of_many_who_ask_at_once_one_gets_a_job(self, parts: Parts):
        job = await a_failed_job(parts)
        asked = await asyncio.gather(
            *(parts.requeue(job.images[0].trace_id) for _ in range(5)), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in asked) == ["DeadLetterNotFound"] * 4 + ["Job"]
        assert (await parts.jobs.page(limit=10)).total == 2

    async def test_one_that_fails_just_before_its_attempt_is_committed_is_tried_anew(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(parts, job)

        async def fail_it() -> None:
            await parts.ledger.change(job.job_id, lambda job: fail(job, 0, a_failure(), parts.clock.now()))

        ledger = evolve(parts.ledger, store=Before(parts.jobs, fail_it))  # type: ignore[arg-type]
        again = await evolve(parts.requeue, ledger=ledger)(job.images[0].trace_id)
        assert isinstance(again, Job)
        assert again.retry_of == job.job_id
        assert await kept(parts) == []

    async def test_without_its_original_it_is_refused_and_the_letter_stays(self, parts: Parts):
        job = await a_failed_job(parts)
        original = job.images[0].original
        assert original is not None
        await parts.objects.delete(ObjectKey(Bucket.ORIGINAL, original.key))
        with pytest.raises(Conflict):
            await parts.requeue(job.images[0].trace_id)
        assert len(await kept(parts)) == 3


@define(eq=False)
class Before(Watched):
    """Before each change, something happens."""

    happens: Callable[[], Awaitable[None]]

    async def before(self, job_id: str) -> None:
        await self.happens()


class TestRefused:
    async def test_of_a_completed_image(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(parts, job)
        await parts.ledger.change(job.job_id, complete)
        await self.is_refused(parts, job, "image_ended")

    async def test_of_a_cancelled_image(self, parts: Parts):
        job = await a_published_job(parts)
        await give_up(parts, job)
        await parts.ledger.change(job.job_id, lambda job: cancel(job, parts.clock.now()))
        await self.is_refused(parts, job, "image_ended")

    async def test_of_a_job_that_is_gone(self, parts: Parts):
        job = await a_published_job(parts)
        await parts.ledger.delete(job.job_id)
        await publish_letter(parts, job)
        await parts.dead_letters.run_once()
        await self.is_refused(parts, job, "job_gone")

    async def is_refused(self, parts: Parts, job: Job, code: str) -> None:
        with pytest.raises(Conflict) as refused:
            await parts.requeue(str(attempt_of(job)))
        assert refused.value.code == code
        assert len(await kept(parts)) == 1

    async def test_of_a_letter_that_nobody_has(self, parts: Parts):
        with pytest.raises(DeadLetterNotFound):
            await parts.requeue("nobody's")

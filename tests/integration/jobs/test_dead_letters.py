from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import orjson
import pytest
from attrs import define, evolve
from structlog.testing import capture_logs

from gateway.domain.attempt import AttemptName
from gateway.domain.job import Failure, Image, Job, Stage, Status
from gateway.errors import Unavailable
from gateway.jobs.dead_letters.sweeper import OTHERS_AGAIN_S
from gateway.ports.broker import Broker, Queue, QueueDepth, Sweep
from tests.golden import golden
from tests.integration.jobs.parts import Parts
from tests.integration.jobs.stores import Watched, down
from tests.integration.jobs.test_collector import a_published_job, bodies_in, collect


async def reject_all(parts: Parts) -> None:
    """As an existing analyzer does it: without a word."""
    async with parts.broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as uploads:
        for delivery in await uploads.next_batch(10):
            await uploads.reject(delivery)


async def give_up(parts: Parts, job: Job, number: int = 1, **headers: object) -> Image:
    """As an analyzer of ours rejects that attempt, with these headers; the image after it."""
    await publish_letter(parts, job, number, **headers)
    await parts.dead_letters.run_once()
    return (await parts.jobs.get(job.job_id)).images[0]


async def publish_letter(parts: Parts, job: Job, number: int = 1, **headers: object) -> None:
    name = AttemptName(job.images[0].trace_id, number)
    told = {header.replace("_", "-"): value for header, value in headers.items()}
    await parts.broker.publish(Queue.DEAD_LETTER, a_dead_upload(job, name), told)


async def a_job_in_the_broker(parts: Parts) -> Job:
    job = await a_published_job(parts)
    await parts.broker.publish(
        Queue.IMAGE_UPLOAD,
        a_dead_upload(job, AttemptName(job.images[0].trace_id, 1)),
    )
    return job


async def test_a_dead_letter_of_ours_ends_its_attempt_and_the_image_is_sent_again(parts: Parts):
    job = await a_job_in_the_broker(parts)
    await reject_all(parts)
    await parts.dead_letters.run_once()
    (image,) = (await parts.jobs.get(job.job_id)).images
    assert (image.attempt, image.stage, image.status) == (2, Stage.PUBLISH, Status.PROCESSING)
    assert (await parts.broker.depth(Queue.DEAD_LETTER)).messages == 0

    parts.clock.turn(60)
    await parts.dispatcher.run_once()
    async with parts.broker.sweep(Queue.IMAGE_UPLOAD, limit=1) as sweep:
        assert orjson.loads(sweep.deliveries[0].body)["trace_id"] == f"{image.trace_id}-a2"


async def test_the_next_attempt_waits_for_its_pause(parts: Parts):
    await a_job_in_the_broker(parts)
    await reject_all(parts)
    await parts.dead_letters.run_once()
    await parts.dispatcher.run_once()
    assert (await parts.broker.depth(Queue.IMAGE_UPLOAD)).messages == 0


async def test_while_the_model_is_down_attempts_lie_further_apart(parts: Parts):
    """The image is sound: a trouble of a minute is not to fail a whole batch."""
    settings = parts.settings
    first, second = await a_published_job(parts), await a_published_job(parts)
    rejected = await give_up(parts, first, failure_code="analysis_failed")
    unavailable = await give_up(parts, second, failure_code="analysis_unavailable")
    assert [image.not_before for image in (rejected, unavailable)] == [
        parts.clock.now() + timedelta(seconds=pause_s)
        for pause_s in (settings.attempt_pause_s, settings.unavailable_pause_s)
    ]


async def test_an_image_whose_attempts_are_used_up_fails_with_the_code_and_the_reason_of_the_last(
    parts: Parts,
):
    job = await a_published_job(parts)
    await give_up(parts, job, 1, failure_code="analysis_failed", reject_reason="It could not be decoded.")
    await give_up(parts, job, 2, failure_code="analysis_unreadable", reject_reason="Nothing of use.")
    image = await give_up(
        parts, job, 3, failure_code="analysis_unavailable", reject_reason="The model is down:\n/a/b"
    )
    assert image.status is Status.FAILED
    assert image.failure == Failure(
        "analysis_unavailable", "the analyzer rejected the image 3 times: The model is down: …"
    )


@pytest.mark.parametrize("code", ["analysis_refused", "analysis_crashed"])
async def test_an_image_that_would_be_rejected_again_and_at_a_price_fails_at_once(parts: Parts, code: str):
    """The model refuses it, or it kills the analyzer."""
    job = await a_published_job(parts)
    image = await give_up(parts, job, failure_code=code, reject_reason="No.")
    assert image.status is Status.FAILED
    assert image.failure == Failure(code, "the analyzer rejected the image once: No.")


async def test_a_refusal_of_an_attempt_that_is_not_the_newest_changes_nothing(parts: Parts):
    job = await a_published_job(parts)
    before = await give_up(parts, job, 1)
    assert await give_up(parts, job, 1, failure_code="analysis_refused") == before


@pytest.mark.parametrize(
    "code", ["hopeless", "no_result", "tagging_failed", "", 7, None, ["analysis_refused"]]
)
async def test_a_code_that_is_no_analyzers_is_analysis_failed(parts: Parts, code: object):
    job = await a_published_job(parts)
    for number in (1, 2, 3):
        image = await give_up(parts, job, number, failure_code=code)
    assert image.failure == Failure("analysis_failed", "the analyzer rejected the image 3 times")


@pytest.mark.parametrize("reason", ["", 7, None, b"bytes"])
async def test_a_reason_that_is_no_text_is_none(parts: Parts, reason: object):
    job = await a_published_job(parts)
    for number in (1, 2, 3):
        image = await give_up(parts, job, number, reject_reason=reason)
    assert image.failure == Failure("analysis_failed", "the analyzer rejected the image 3 times")


@pytest.mark.parametrize("name", ["dead_letter.image_upload", "dead_letter.unreadable"])
async def test_a_dead_letter_of_others_stays_where_it_is(parts: Parts, name):
    (message,) = golden(name)
    await parts.broker.publish(Queue.DEAD_LETTER, message["body"].encode())
    await parts.dead_letters.run_once()
    async with parts.broker.sweep(Queue.DEAD_LETTER, limit=10) as sweep:
        assert [delivery.body for delivery in sweep.deliveries] == [message["body"].encode()]


async def test_a_result_that_nobody_can_read_is_no_reject_of_the_analyzer_and_stays_where_it_is(parts: Parts):
    job = await a_published_job(parts)
    body = orjson.dumps(
        {"trace_id": job.images[0].trace_id, "group_id": job.job_id, "processed_path": "", "status": "done"}
    )
    await collect(parts, body)
    await parts.dead_letters.run_once()
    assert (await parts.jobs.get(job.job_id)).images[0].attempt == 1
    assert await bodies_in(parts, Queue.DEAD_LETTER) == [body]


async def test_a_dead_letter_of_a_job_that_is_gone_is_done_with(parts: Parts):
    job = await a_job_in_the_broker(parts)
    await reject_all(parts)
    await parts.ledger.delete(job.job_id)
    await parts.dead_letters.run_once()
    assert (await parts.broker.depth(Queue.DEAD_LETTER)).messages == 0


async def test_without_a_reason_the_text_tells_how_often_the_image_was_rejected(parts: Parts):
    """An existing analyzer gives none: a reject of AMQP has no field for it."""
    job = await a_published_job(parts)
    for number in (1, 2, 3):
        image = await give_up(parts, job, number)
    assert image.failure == Failure("analysis_failed", "the analyzer rejected the image 3 times")


def a_dead_upload(job: Job, name: AttemptName, *, padded_to: int = 0) -> bytes:
    body = orjson.dumps(
        {"trace_id": str(name), "group_id": job.job_id, "original_path": f"{name.trace_id}/original.jpg"}
    )
    return body.ljust(padded_to)


async def test_a_dead_letter_of_an_attempt_that_is_not_the_newest_is_done_with(parts: Parts):
    job = await a_published_job(parts)
    first = AttemptName(job.images[0].trace_id, 1)
    for _ in range(3):
        await parts.broker.publish(Queue.DEAD_LETTER, a_dead_upload(job, first))
        await parts.dead_letters.run_once()
    assert (await parts.jobs.get(job.job_id)).images[0].attempt == 2
    assert (await parts.broker.depth(Queue.DEAD_LETTER)).messages == 0


async def test_dead_letters_of_ours_count_though_the_store_goes_down_between_them(parts: Parts):
    jobs = [await a_published_job(parts) for _ in range(2)]
    for job in jobs:
        await parts.broker.publish(
            Queue.DEAD_LETTER, a_dead_upload(job, AttemptName(job.images[0].trace_id, 1))
        )
    ledger = evolve(parts.ledger, store=DownAfter(parts.jobs, changes_left=1))  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        await evolve(parts.dead_letters, ledger=ledger).run_once()
    assert parts.measured("dead_letters_total") == 1
    await parts.dead_letters.run_once()
    assert parts.measured("dead_letters_total") == 2
    assert [(await parts.jobs.get(job.job_id)).images[0].attempt for job in jobs] == [2, 2]


@define(eq=False)
class DownAfter(Watched):
    """It goes down after so many changes."""

    changes_left: int

    async def before(self, job_id: str) -> None:
        if not self.changes_left:
            raise down()
        self.changes_left -= 1


async def test_the_log_tells_where_and_how_often_the_broker_saw_it_die(parts: Parts):
    job = await a_job_in_the_broker(parts)
    with capture_logs() as lines:
        await reject_all(parts)
        await parts.dead_letters.run_once()
    (line,) = [line for line in lines if line["event"] == "attempt rejected"]
    assert line["job_id"] == job.job_id
    assert (line["death_queue"], line["death_reason"], line["death_count"]) == ("image_upload", "rejected", 1)


async def test_the_log_has_the_code_and_the_reason_of_our_analyzer_in_its_own_words(parts: Parts):
    job = await a_published_job(parts)
    with capture_logs() as lines:
        await give_up(parts, job, failure_code="analysis_failed", reject_reason="At /a/b:\nbroken.")
    (line,) = [line for line in lines if line["event"] == "attempt rejected"]
    assert (line["code"], line["reason"]) == ("analysis_failed", "At /a/b:\nbroken.")


@pytest.mark.parametrize("deaths", [None, "x", [], [7], [{"count": 1}]])
async def test_whatever_stands_in_x_death_the_attempt_ends(parts: Parts, deaths):
    job = await a_published_job(parts)
    name = AttemptName(job.images[0].trace_id, 1)
    await parts.broker.publish(Queue.DEAD_LETTER, a_dead_upload(job, name), {"x-death": deaths})
    await parts.dead_letters.run_once()
    assert (await parts.jobs.get(job.job_id)).images[0].attempt == 2


@define(eq=False)
class CountedSweeps:
    """The real broker, and how often somebody swept."""

    broker: Broker
    sweeps: int = 0

    async def depth(self, queue: Queue) -> QueueDepth:
        return await self.broker.depth(queue)

    def sweep(self, queue: Queue, *, limit: int) -> AbstractAsyncContextManager[Sweep]:
        self.sweeps += 1
        return self.broker.sweep(queue, limit=limit)


async def test_others_messages_are_looked_at_again_only_when_some_came_or_after_a_pause(parts: Parts):
    counted = CountedSweeps(parts.broker)
    dead_letters = evolve(parts.dead_letters, broker=counted)  # type: ignore[arg-type]  # it publishes nothing
    await parts.broker.publish(Queue.DEAD_LETTER, b"theirs")

    async def sweeps_of_three_looks() -> int:
        before = counted.sweeps
        for _ in range(3):
            await dead_letters.run_once()
        return counted.sweeps - before

    assert await sweeps_of_three_looks() == 1
    assert await sweeps_of_three_looks() == 0
    await parts.broker.publish(Queue.DEAD_LETTER, b"one more")
    assert await sweeps_of_three_looks() == 1
    parts.clock.turn(OTHERS_AGAIN_S + 1)
    assert await sweeps_of_three_looks() == 1


async def test_ours_in_the_place_of_others_that_were_taken_out_is_found_at_once(parts: Parts):
    await parts.broker.publish(Queue.DEAD_LETTER, b"theirs")
    await parts.dead_letters.run_once()
    async with parts.broker.sweep(Queue.DEAD_LETTER, limit=1) as sweep:
        await sweep.ack(sweep.deliveries[0])
    await parts.dead_letters.run_once()
    job = await a_job_in_the_broker(parts)
    await reject_all(parts)
    await parts.dead_letters.run_once()
    assert (await parts.jobs.get(job.job_id)).images[0].attempt == 2


async def test_ours_behind_others_are_found(parts: Parts):
    await parts.broker.publish(Queue.DEAD_LETTER, b"theirs")
    await parts.dead_letters.run_once()
    job = await a_job_in_the_broker(parts)
    await reject_all(parts)
    await parts.dead_letters.run_once()
    assert (await parts.jobs.get(job.job_id)).images[0].attempt == 2
    assert (await parts.broker.depth(Queue.DEAD_LETTER)).messages == 1

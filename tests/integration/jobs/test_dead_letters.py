import orjson
import pytest

from gateway.domain.job import Job, Stage, Status
from gateway.ports.broker import Queue
from tests.golden import golden
from tests.integration.jobs.parts import Parts
from tests.integration.jobs.test_collector import a_published_job


async def reject_all(parts: Parts) -> None:
    async with parts.broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as uploads:
        for delivery in await uploads.next_batch(10):
            await uploads.reject(delivery, reason="it could not be decoded")


async def a_job_in_the_broker(parts: Parts) -> Job:
    job = await a_published_job(parts)
    await parts.broker.publish(
        Queue.IMAGE_UPLOAD,
        orjson.dumps({"trace_id": job.images[0].trace_id, "group_id": job.job_id, "telegram_id": 0}),
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


async def test_an_image_whose_attempts_are_used_up_fails_with_the_reason(parts: Parts):
    job = await a_job_in_the_broker(parts)
    for _ in range(parts.settings.max_attempts):
        await reject_all(parts)
        await parts.dead_letters.run_once()
        parts.clock.turn(60)
        await parts.dispatcher.run_once()
    job = await parts.jobs.get(job.job_id)
    failure = job.images[0].failure
    assert job.status is Status.FAILED
    assert failure is not None
    assert failure.code == "analysis_failed"
    assert failure.error == "the analyzer rejected the image 3 times: it could not be decoded"


@pytest.mark.parametrize("name", ["dead_letter.image_upload", "dead_letter.unreadable"])
async def test_a_dead_letter_of_others_stays_where_it_is(parts: Parts, name):
    (message,) = golden(name)
    await parts.broker.publish(Queue.DEAD_LETTER, message["body"].encode())
    await parts.dead_letters.run_once()
    async with parts.broker.sweep(Queue.DEAD_LETTER, limit=10) as sweep:
        assert [delivery.body for delivery in sweep.deliveries] == [message["body"].encode()]


async def test_a_dead_letter_of_a_job_that_is_gone_is_done_with(parts: Parts):
    job = await a_job_in_the_broker(parts)
    await reject_all(parts)
    await parts.ledger.delete(job.job_id)
    await parts.dead_letters.run_once()
    assert (await parts.broker.depth(Queue.DEAD_LETTER)).messages == 0

from datetime import UTC, datetime
from typing import Literal

import orjson
import pytest

from gateway.domain.attempt import AttemptName
from gateway.domain.job import Job, Status
from gateway.messages import ImageProcessed, encode
from gateway.metadata import Metadata
from gateway.ports.broker import Queue
from gateway.ports.object_store import Bucket
from gateway.processor.tags import write_tags
from tests.golden import golden, golden_names
from tests.integration.jobs.parts import Parts
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg

WORDS = Metadata("Zürich", "Boats at dawn – 北京", ("boat", "dawn"))


async def a_published_job(parts: Parts, images: int = 1) -> Job:
    job = await parts.submitted(*(sent(a_jpeg()) for _ in range(images)))
    await parts.dispatcher.run_once()
    async with parts.broker.sweep(Queue.IMAGE_UPLOAD, limit=100) as sweep:
        for delivery in sweep.deliveries:
            await sweep.ack(delivery)
    return await parts.jobs.get(job.job_id)


def result(
    job: Job,
    index: int = 0,
    *,
    attempt: int = 1,
    status: Literal["completed", "failed"] = "completed",
    error: str = "",
) -> ImageProcessed:
    name = AttemptName(job.images[index].trace_id, attempt)
    return ImageProcessed(
        timestamp=datetime.now(UTC),
        trace_id=str(name),
        group_id=job.job_id,
        original_filename="photo.jpg",
        processed_path=f"{name}/photo.jpg" if status == "completed" else "",
        status=status,
        error=error,
    )


async def collect(parts: Parts, *bodies: bytes) -> None:
    for body in bodies:
        await parts.broker.publish(Queue.IMAGE_PROCESSED, body)
    async with parts.broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=100) as results:
        await parts.collector.run_once(results)
    assert (await parts.broker.depth(Queue.IMAGE_PROCESSED)).messages == 0


async def put_tagged(parts: Parts, message: ImageProcessed) -> None:
    await parts.put(Bucket.PROCESSED, message.processed_path, write_tags(a_jpeg(), WORDS))


async def bodies_in(parts: Parts, queue: Queue) -> list[bytes]:
    async with parts.broker.sweep(queue, limit=1000) as sweep:
        return [delivery.body for delivery in sweep.deliveries]


async def test_a_completed_result_completes_its_image_with_the_words_read_from_the_file(parts: Parts):
    job = await a_published_job(parts)
    message = result(job)
    await put_tagged(parts, message)
    await collect(parts, encode(message))
    (image,) = (await parts.jobs.get(job.job_id)).images
    assert image.status is Status.COMPLETED
    assert image.processed_path == message.processed_path
    assert image.metadata == WORDS


async def test_a_repeated_result_is_counted_once_and_its_object_kept(parts: Parts):
    job = await a_published_job(parts, images=2)
    message = result(job)
    await put_tagged(parts, message)
    await collect(parts, encode(message), encode(message))
    await collect(parts, encode(message))
    job = await parts.jobs.get(job.job_id)
    assert (job.counts.completed, job.counts.open) == (1, 1)
    assert f"processed/{message.processed_path}" in parts.files()


async def test_a_failed_result_fails_its_image_with_a_text_fit_for_clients(parts: Parts):
    job = await a_published_job(parts)
    error = orjson.loads(golden("image_processed.failed-png")[0]["body"])["error"]
    await collect(parts, encode(result(job, status="failed", error=error)))
    (image,) = (await parts.jobs.get(job.job_id)).images
    assert image.failure is not None
    assert image.failure.code == "tagging_failed"
    assert "\n" not in image.failure.error
    assert "/tmp/" not in image.failure.error


async def test_a_result_without_its_object_fails_the_image(parts: Parts):
    job = await a_published_job(parts)
    await collect(parts, encode(result(job)))
    (image,) = (await parts.jobs.get(job.job_id)).images
    assert image.failure is not None
    assert image.failure.code == "storage_failed"


async def test_a_result_that_names_a_way_out_of_the_store_fails_the_image(parts: Parts):
    job = await a_published_job(parts)
    message = ImageProcessed(
        trace_id=job.images[0].trace_id,
        group_id=job.job_id,
        processed_path=f"{job.images[0].trace_id}/../../x.jpg",
        status="completed",
    )
    await collect(parts, encode(message))
    assert (await parts.jobs.get(job.job_id)).images[0].status is Status.FAILED


async def test_an_older_attempt_that_completes_while_the_image_is_open_wins(parts: Parts):
    job = await a_published_job(parts)
    await parts.broker.publish(Queue.DEAD_LETTER, encode_upload(job))
    await parts.dead_letters.run_once()
    message = result(job, attempt=1)
    await put_tagged(parts, message)
    await collect(parts, encode(message))
    (image,) = (await parts.jobs.get(job.job_id)).images
    assert (image.attempt, image.status, image.processed_path) == (
        2,
        Status.COMPLETED,
        message.processed_path,
    )


async def test_the_object_of_an_attempt_that_comes_second_is_removed(parts: Parts):
    job = await a_published_job(parts)
    first, second = result(job, attempt=1), result(job, attempt=2)
    await put_tagged(parts, first)
    await put_tagged(parts, second)
    await collect(parts, encode(first))
    await collect(parts, encode(second))
    assert f"processed/{first.processed_path}" in parts.files()
    assert f"processed/{second.processed_path}" not in parts.files()


async def test_a_result_for_a_job_that_is_gone_is_done_with_and_its_object_removed(parts: Parts):
    job = await a_published_job(parts)
    message = result(job)
    await put_tagged(parts, message)
    await parts.ledger.delete(job.job_id)
    await collect(parts, encode(message))
    assert f"processed/{message.processed_path}" not in parts.files()


async def test_a_late_result_can_not_remove_an_object_that_is_not_its_own(parts: Parts):
    job = await a_published_job(parts)
    await parts.put(Bucket.PROCESSED, "others/photo.jpg", a_jpeg())
    await parts.ledger.delete(job.job_id)
    message = ImageProcessed(
        trace_id=job.images[0].trace_id,
        group_id=job.job_id,
        processed_path="others/photo.jpg",
        status="completed",
    )
    await collect(parts, encode(message))
    assert "processed/others/photo.jpg" in parts.files()


@pytest.mark.parametrize("name", golden_names("image_processed.*"))
async def test_results_of_others_are_parked_as_they_are(parts: Parts, name):
    bodies = [message["body"].encode() for message in golden(name)]
    await collect(parts, *bodies)
    assert await bodies_in(parts, Queue.FOREIGN) == bodies


@pytest.mark.parametrize("body", [b"", b"hello", b"null", b"[]", b'{"trace_id": 7}', b'{"status": "done"}'])
async def test_malformed_results_are_copied_to_the_dead_letters(parts: Parts, body):
    await collect(parts, body)
    assert await bodies_in(parts, Queue.DEAD_LETTER) == [body]


def encode_upload(job: Job) -> bytes:
    image = job.images[0]
    return orjson.dumps(
        {"trace_id": image.trace_id, "group_id": job.job_id, "original_filename": "photo.jpg"}
    )

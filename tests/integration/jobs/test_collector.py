import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Literal

import orjson
import pytest
from attrs import define, evolve, field

from gateway.domain.attempt import AttemptName
from gateway.domain.events import Change, EventType
from gateway.domain.job import Failure, Job, Status
from gateway.errors import Unavailable
from gateway.jobs.processed import READS_AT_ONCE, ProcessedImages
from gateway.jobs.results.collector import Collector
from gateway.jobs.results.result import ResultKind
from gateway.messages import FAILURE_CODE, ImageProcessed, encode
from gateway.metadata import Metadata
from gateway.ports.broker import Queue
from gateway.ports.object_store import Bucket, ObjectKey, ObjectReader, ObjectStore, StoredObject
from gateway.processor.tags import write_tags
from tests.golden import golden, golden_names
from tests.integration.jobs.parts import Parts
from tests.integration.jobs.test_submit import sent
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg

WORDS = Metadata("Zürich", "Boats at dawn – 北京", ("boat", "dawn"), writer="local/a-model")


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


async def collect(parts: Parts, *bodies: bytes, headers: Mapping[str, object] | None = None) -> None:
    for body in bodies:
        await parts.broker.publish(Queue.IMAGE_PROCESSED, body, headers)
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


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("image_data_changed", "image_data_changed"),
        ("tagging_failed", "tagging_failed"),
        ("analysis_refused", "tagging_failed"),
        ("no such word", "tagging_failed"),
        (7, "tagging_failed"),
    ],
)
async def test_the_code_of_a_failed_result_is_the_processors_if_it_is_one_of_tagging(
    parts: Parts, told: object, code: str
):
    job = await a_published_job(parts)
    failed = encode(result(job, status="failed", error="It would change."))
    await collect(parts, failed, headers={FAILURE_CODE: told})
    assert (await parts.jobs.get(job.job_id)).images[0].failure == Failure(code, "It would change.")


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


@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_a_result_that_names_another_job_than_that_of_its_image_leaves_the_image_its_object(
    parts: Parts, status
):
    job, other = await a_published_job(parts), await a_published_job(parts)
    completed = result(job)
    await put_tagged(parts, completed)
    await collect(parts, encode(completed))
    await collect(parts, encode(evolve(completed, group_id=other.job_id, status=status)))
    assert f"processed/{completed.processed_path}" in parts.files()
    assert parts.kinds() == {ResultKind.COUNTED: 1, ResultKind.LATE: 1}


async def test_a_failure_told_of_an_attempt_that_was_completed_leaves_the_image_its_object(parts: Parts):
    job = await a_published_job(parts)
    completed = result(job)
    await put_tagged(parts, completed)
    await collect(parts, encode(completed), encode(evolve(completed, status="failed")))
    assert f"processed/{completed.processed_path}" in parts.files()
    assert parts.kinds() == {ResultKind.COUNTED: 1, ResultKind.LATE: 1}


@pytest.mark.parametrize("name", golden_names("image_processed.*"))
async def test_results_of_others_are_parked_as_they_are(parts: Parts, name):
    bodies = [message["body"].encode() for message in golden(name)]
    await collect(parts, *bodies)
    assert await bodies_in(parts, Queue.FOREIGN) == bodies


@pytest.mark.parametrize("body", [b"", b"hello", b"null", b"[]", b'{"trace_id": 7}', b'{"status": "done"}'])
async def test_malformed_results_are_copied_to_the_dead_letters(parts: Parts, body):
    await collect(parts, body)
    assert await bodies_in(parts, Queue.DEAD_LETTER) == [body]


async def test_results_of_a_job_that_arrive_together_are_one_commit_and_each_is_told(parts: Parts):
    job = await a_published_job(parts, images=8)
    messages = [result(job, index, status="failed", error="no") for index in range(8)]
    changes: list[Change] = []
    parts.hub.observe(changes.append)
    await collect(parts, *map(encode, messages))
    (change,) = changes
    assert [event.type for event in change.events] == [EventType.IMAGE_COMPLETE] * 8 + [
        EventType.JOB_COMPLETE
    ]
    assert parts.kinds() == {ResultKind.COUNTED: 8}


async def test_what_became_of_each_result_is_counted(parts: Parts):
    job = await a_published_job(parts, images=2)
    good, bad = result(job, 0), result(job, 1, status="failed", error="no")
    await put_tagged(parts, good)
    late = result(job, 0, attempt=2)
    (foreign,) = golden("image_processed.completed")[:1]
    await collect(
        parts,
        encode(good),
        encode(good),
        b"{}",
        encode(bad),
        encode(bad),
        encode(late),
        foreign["body"].encode(),
    )
    assert parts.kinds() == {
        ResultKind.COUNTED: 2,
        ResultKind.REPEATED: 2,
        ResultKind.LATE: 1,
        ResultKind.FOREIGN: 1,
        ResultKind.MALFORMED: 1,
    }


async def test_the_object_of_a_loser_of_the_existing_processor_is_removed_too(parts: Parts):
    job = await a_published_job(parts)
    first, second = result(job, attempt=1), result(job, attempt=2)
    second = evolve(second, processed_path=f"processed/{second.processed_path}")
    for message in (first, second):
        await put_tagged(parts, message)
        await collect(parts, encode(message))
    assert [file for file in parts.files() if file.startswith("processed/")] == [
        f"processed/{first.processed_path}"
    ]


@define(eq=False)
class HalfDown:
    """The real store, which can't be asked for some keys, and counts how many it is asked for at once."""

    objects: ObjectStore
    down_for: set[str] = field(factory=set)
    most_at_once: int = 0
    _at_once: int = 0

    @asynccontextmanager
    async def open(
        self, key: ObjectKey, *, start: int = 0, end: int | None = None
    ) -> AsyncIterator[ObjectReader]:
        if key.key in self.down_for:
            raise Unavailable("The store is down.")
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            async with self.objects.open(key, start=start, end=end) as reader:
                yield reader
        finally:
            self._at_once -= 1

    async def head(self, key: ObjectKey) -> StoredObject:
        if key.key in self.down_for:
            raise Unavailable("The store is down.")
        return await self.objects.head(key)

    async def delete(self, key: ObjectKey) -> None:
        await self.objects.delete(key)


def collecting_from(parts: Parts, objects: HalfDown) -> Collector:
    return evolve(parts.collector, processed=ProcessedImages(objects))  # type: ignore[arg-type]  # it does no more


async def test_a_result_whose_object_can_not_be_read_now_holds_up_no_other(parts: Parts):
    job = await a_published_job(parts, images=3)
    messages = [result(job, index) for index in range(3)]
    for message in messages:
        await put_tagged(parts, message)
        await parts.broker.publish(Queue.IMAGE_PROCESSED, encode(message))
    objects = HalfDown(parts.objects, {messages[1].processed_path})
    collector = collecting_from(parts, objects)
    task = asyncio.create_task(collector.run())
    try:
        await eventually(parts, job, completed=2)
        assert not (await parts.jobs.get(job.job_id)).images[1].status.is_final
        await parts.broker.publish(Queue.IMAGE_PROCESSED, b"{}")
        async with asyncio.timeout(PATIENCE_S):
            while ResultKind.MALFORMED not in parts.kinds():
                await asyncio.sleep(0.01)
        objects.down_for.clear()
        await eventually(parts, job, completed=3)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def eventually(parts: Parts, job: Job, *, completed: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await parts.jobs.get(job.job_id)).counts.completed < completed:
            await asyncio.sleep(0.01)


async def test_no_more_than_so_many_objects_are_read_at_once(parts: Parts):
    job = await parts.submitted(*(sent(a_jpeg()) for _ in range(60)))
    messages = [result(job, index) for index in range(60)]
    for message in messages:
        await put_tagged(parts, message)
        await parts.broker.publish(Queue.IMAGE_PROCESSED, encode(message))
    objects = HalfDown(parts.objects)
    async with parts.broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=100) as results:
        await collecting_from(parts, objects).run_once(results)
    assert objects.most_at_once == READS_AT_ONCE
    assert (await parts.jobs.get(job.job_id)).counts.completed == 60


def encode_upload(job: Job) -> bytes:
    image = job.images[0]
    assert image.original is not None
    return orjson.dumps(
        {"trace_id": image.trace_id, "group_id": job.job_id, "original_path": image.original.key}
    )

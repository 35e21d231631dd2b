"""An image that is found without its result while a result of it is at work: one ends it, with an object that stays."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import define, evolve

from gateway.domain.job import Job, Status
from gateway.jobs.processed import ProcessedImages
from gateway.messages import encode
from gateway.ports.object_store import ObjectKey, ObjectReader, ObjectStore, StoredObject
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_collector import a_published_job, collect, put_tagged, result
from tests.integration.jobs.test_pipeline import services, work
from tests.integration.jobs.test_what_failed_attempts_leave import failure_of, processed_in, sent_again

TIMEOUT_S = 30


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts_in(tmp_path, result_timeout_s=TIMEOUT_S) as parts:
        yield parts


@define(eq=False)
class BusyStore:
    """The real one; more happens just after that object was read."""

    objects: ObjectStore
    path: str
    meanwhile: Callable[[], Awaitable[object]]

    @asynccontextmanager
    async def open(
        self, key: ObjectKey, *, start: int = 0, end: int | None = None
    ) -> AsyncIterator[ObjectReader]:
        async with self.objects.open(key, start=start, end=end) as reader:
            yield reader
        if key.key == self.path:
            await self.meanwhile()

    async def head(self, key: ObjectKey) -> StoredObject:
        return await self.objects.head(key)

    async def delete(self, key: ObjectKey) -> None:
        await self.objects.delete(key)


def processed_from(objects: BusyStore) -> ProcessedImages:
    return ProcessedImages(objects)  # type: ignore[arg-type]  # it does no more


async def overdue(parts: Parts) -> Job:
    """A job whose only image has had two attempts, and the time of the second is over."""
    job = await a_published_job(parts)
    await sent_again(parts, job)
    async with services(parts):
        await work(parts, TIMEOUT_S + 1)
    return job


async def end_of(parts: Parts, job: Job) -> tuple[Status, str | None]:
    (image,) = (await parts.jobs.get(job.job_id)).images
    return image.status, image.processed_path


async def test_an_image_that_fails_while_its_object_is_found_stays_failed_and_the_object_goes(parts: Parts):
    job = await overdue(parts)
    newest = result(job, attempt=2)
    await put_tagged(parts, newest)
    busy = BusyStore(parts.objects, newest.processed_path, lambda: collect(parts, encode(failure_of(newest))))
    await evolve(parts.rescuer, processed=processed_from(busy)).run_once()
    assert await end_of(parts, job) == (Status.FAILED, None)
    assert processed_in(parts) == set()


async def test_an_image_that_completes_while_an_older_object_is_found_keeps_the_one_that_it_names(
    parts: Parts,
):
    job = await overdue(parts)
    older, newest = result(job), result(job, attempt=2)
    await put_tagged(parts, older)

    async def newest_completes() -> None:
        await put_tagged(parts, newest)
        await collect(parts, encode(newest))

    busy = BusyStore(parts.objects, older.processed_path, newest_completes)
    await evolve(parts.rescuer, processed=processed_from(busy)).run_once()
    assert await end_of(parts, job) == (Status.COMPLETED, newest.processed_path)
    assert processed_in(parts) == {newest.processed_path}


async def test_an_image_that_is_found_while_a_result_of_it_is_read_keeps_the_object_that_it_names(
    parts: Parts,
):
    job = await overdue(parts)
    older, newest = result(job), result(job, attempt=2)
    await put_tagged(parts, older)
    await put_tagged(parts, newest)
    busy = BusyStore(parts.objects, older.processed_path, parts.rescuer.run_once)
    parts.collector = evolve(parts.collector, processed=processed_from(busy))
    await collect(parts, encode(older))
    assert await end_of(parts, job) == (Status.COMPLETED, newest.processed_path)
    assert processed_in(parts) == {newest.processed_path}

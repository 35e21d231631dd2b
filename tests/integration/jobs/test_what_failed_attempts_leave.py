"""A processor that dies behind its put gets the message again, and may fail then: its object must not stay for ever."""

import asyncio

import pytest
from attrs import evolve

from gateway.domain.job import Status
from gateway.domain.transitions import attempt_again
from gateway.jobs.results.result import ResultKind
from gateway.messages import encode
from gateway.ports.broker import Queue
from gateway.ports.object_store import Bucket
from tests.integration.jobs.parts import Parts
from tests.integration.jobs.test_collector import (
    HalfDown,
    a_published_job,
    collect,
    collecting_from,
    put_tagged,
    result,
)
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg


@pytest.mark.parametrize("folder", ["", "processed/"])
async def test_what_a_processor_put_before_it_died_and_then_failed_goes_with_the_failure(
    parts: Parts, folder
):
    job = await a_published_job(parts)
    failed = result(job, status="failed", error="no")
    path = f"{folder}{failed.trace_id}/{failed.original_filename}"
    await parts.put(Bucket.PROCESSED, path, a_jpeg())
    await collect(parts, encode(failed))
    assert (await parts.jobs.get(job.job_id)).images[0].status is Status.FAILED
    assert f"processed/{path}" not in parts.files()


async def test_a_failure_that_is_repeated_takes_along_what_the_first_telling_left(parts: Parts):
    job = await a_published_job(parts)
    failed = result(job, status="failed", error="no")
    await collect(parts, encode(failed))
    path = f"{failed.trace_id}/{failed.original_filename}"
    await parts.put(Bucket.PROCESSED, path, a_jpeg())
    await collect(parts, encode(failed))
    assert f"processed/{path}" not in parts.files()
    assert parts.kinds() == {ResultKind.COUNTED: 1, ResultKind.REPEATED: 1}


async def test_a_failure_of_an_attempt_before_the_newest_leaves_its_object_to_an_image_that_is_open(
    parts: Parts,
):
    job = await a_published_job(parts)
    completed = result(job)
    await put_tagged(parts, completed)
    await parts.ledger.change(job.job_id, lambda job: attempt_again(job, 0))
    await collect(parts, encode(evolve(completed, status="failed")))
    assert f"processed/{completed.processed_path}" in parts.files()
    await collect(parts, encode(completed))
    assert (await parts.jobs.get(job.job_id)).images[0].processed_path == completed.processed_path


async def test_while_the_store_is_down_the_image_has_ended_and_its_object_goes_later(parts: Parts):
    job = await a_published_job(parts)
    failed = result(job, status="failed", error="no")
    path = f"{failed.trace_id}/{failed.original_filename}"
    await parts.put(Bucket.PROCESSED, path, a_jpeg())
    await parts.broker.publish(Queue.IMAGE_PROCESSED, encode(failed))
    objects = HalfDown(parts.objects, {path})
    collector = collecting_from(parts, objects)
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as steps:
        collecting = steps.create_task(collector.run())
        while not parts.kinds():
            await asyncio.sleep(0.01)
        assert parts.kinds() == {ResultKind.COUNTED: 1}
        assert (await parts.jobs.get(job.job_id)).images[0].status is Status.FAILED
        assert f"processed/{path}" in parts.files()
        objects.down_for.clear()
        while f"processed/{path}" in parts.files():
            await asyncio.sleep(0.01)
        collecting.cancel()

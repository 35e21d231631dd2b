"""A processor that dies behind its put gets the message again, and may fail then: its object must not stay for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from attrs import define, evolve

from gateway.domain.job import Job, Status
from gateway.domain.transitions import attempt_again
from gateway.errors import Unavailable
from gateway.jobs.results.result import ResultKind
from gateway.messages import TRIES, ImageProcessed, encode
from gateway.ports.broker import Queue
from gateway.ports.object_store import ObjectKey
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

BEGUN_BEFORE = {TRIES: 2}
"""What a processor says of a failure when the message came again."""


@pytest.mark.parametrize("folder", ["", "processed/"])
async def test_what_a_processor_put_before_it_died_and_then_failed_goes_with_the_failure(
    parts: Parts, folder
):
    job = await a_published_job(parts)
    put = result(job)
    put = evolve(put, processed_path=f"{folder}{put.processed_path}")
    await put_tagged(parts, put)
    await collect(parts, encode(failure_of(put)), headers=BEGUN_BEFORE)
    assert (await parts.jobs.get(job.job_id)).images[0].status is Status.FAILED
    assert processed_in(parts) == set()


async def test_what_was_put_before_an_embedded_gateway_died_goes_with_the_failure_that_follows(parts: Parts):
    job = await a_published_job(parts)
    put = result(job)
    await put_tagged(parts, put)
    await parts.jobs.forget_publishes()
    await parts.dispatcher.run_once()
    await collect(parts, encode(failure_of(put)))
    assert (await parts.jobs.get(job.job_id)).images[0].status is Status.FAILED
    assert processed_in(parts) == set()


async def test_a_failure_of_what_was_begun_once_asks_the_store_nothing(parts: Parts):
    job = await a_published_job(parts)
    put = result(job)
    await parts.broker.publish(Queue.IMAGE_PROCESSED, encode(failure_of(put)))
    objects = HalfDown(parts.objects, {put.processed_path, f"processed/{put.processed_path}"})
    async with parts.broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=100) as results:
        await collecting_from(parts, objects).run_once(results)
    assert (await parts.broker.depth(Queue.IMAGE_PROCESSED)).messages == 0


async def test_a_failure_that_is_repeated_takes_along_what_the_first_telling_left(parts: Parts):
    job = await a_published_job(parts)
    put = result(job)
    await collect(parts, encode(failure_of(put)), headers=BEGUN_BEFORE)
    await put_tagged(parts, put)
    await collect(parts, encode(failure_of(put)), headers=BEGUN_BEFORE)
    assert processed_in(parts) == set()
    assert parts.kinds() == {ResultKind.COUNTED: 1, ResultKind.REPEATED: 1}


async def test_a_failure_of_an_attempt_before_the_newest_leaves_its_object_to_an_image_that_is_open(
    parts: Parts,
):
    job = await a_published_job(parts)
    completed = result(job)
    await put_tagged(parts, completed)
    await parts.ledger.change(job.job_id, lambda job: attempt_again(job, 0))
    await collect(parts, encode(failure_of(completed)))
    assert processed_in(parts) == {completed.processed_path}
    await collect(parts, encode(completed))
    assert (await parts.jobs.get(job.job_id)).images[0].processed_path == completed.processed_path


@pytest.mark.parametrize("name", ["..", ".", "a\0b.jpg", "x" * 5000, "a\\b", "%2e%2e", "\n"])
async def test_a_failure_with_a_name_that_no_key_has_is_done_with(parts: Parts, name):
    job = await a_published_job(parts)
    await collect(
        parts, encode(evolve(failure_of(result(job)), original_filename=name)), headers=BEGUN_BEFORE
    )
    assert parts.kinds() == {ResultKind.COUNTED: 1}


async def test_while_the_store_is_down_the_image_has_failed_and_its_object_goes_later(parts: Parts):
    job = await a_published_job(parts)
    put = result(job)
    await put_tagged(parts, put)
    async with collected_while_down(parts, failure_of(put), down_for=put.processed_path):
        assert parts.kinds() == {ResultKind.COUNTED: 1}
        assert (await parts.jobs.get(job.job_id)).images[0].status is Status.FAILED
        assert processed_in(parts) == {put.processed_path}
    assert processed_in(parts) == set()


async def test_a_failure_that_left_nothing_is_done_with_though_the_store_lets_nobody_delete(parts: Parts):
    job = await a_published_job(parts)
    failed = result(job, status="failed", error="no")
    await parts.broker.publish(Queue.IMAGE_PROCESSED, encode(failed), BEGUN_BEFORE)
    async with parts.broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=100) as results:
        await collecting_from(parts, KeepsAll(parts.objects)).run_once(results)
    assert (await parts.broker.depth(Queue.IMAGE_PROCESSED)).messages == 0
    assert (await parts.jobs.get(job.job_id)).images[0].status is Status.FAILED


async def test_the_end_of_an_image_takes_along_what_attempts_put_that_failed_before_it(parts: Parts):
    _, older, newest = await a_job_with_two_attempts(parts)
    await collect(parts, encode(failure_of(older)))
    assert processed_in(parts) == {older.processed_path, newest.processed_path}
    await collect(parts, encode(newest))
    assert processed_in(parts) == {newest.processed_path}


async def test_the_failure_of_an_image_takes_along_what_attempts_put_that_failed_before_it(parts: Parts):
    job = await a_published_job(parts)
    older, newest = result(job), result(job, attempt=2)
    await put_tagged(parts, older)
    await sent_again(parts, job)
    await collect(parts, encode(failure_of(older)))
    await collect(parts, encode(failure_of(newest)))
    assert processed_in(parts) == set()


async def test_an_older_attempt_that_wins_takes_along_what_a_newer_one_put_that_failed_before_it(
    parts: Parts,
):
    job = await a_published_job(parts)
    winner, newer = result(job), result(job, attempt=2)
    for message in (winner, newer):
        await put_tagged(parts, message)
        await sent_again(parts, job)
    await collect(parts, encode(failure_of(newer)))
    await collect(parts, encode(winner))
    assert processed_in(parts) == {winner.processed_path}


async def test_while_the_store_is_down_an_image_completes_and_what_it_does_not_name_goes_later(parts: Parts):
    job, older, newest = await a_job_with_two_attempts(parts)
    async with collected_while_down(parts, newest, down_for=older.processed_path):
        assert (await parts.jobs.get(job.job_id)).images[0].status is Status.COMPLETED
        assert processed_in(parts) == {older.processed_path, newest.processed_path}
    assert processed_in(parts) == {newest.processed_path}
    assert parts.kinds()[ResultKind.COUNTED] == 1


@define(eq=False)
class KeepsAll(HalfDown):
    """A store in which the gateway has no right to delete."""

    async def delete(self, key: ObjectKey) -> None:
        raise Unavailable("The store refuses.")


@asynccontextmanager
async def collected_while_down(
    parts: Parts, message: ImageProcessed, *, down_for: str
) -> AsyncIterator[None]:
    """It has counted, and that object can't be removed; afterwards it can, and is gone."""
    await parts.broker.publish(Queue.IMAGE_PROCESSED, encode(message), BEGUN_BEFORE)
    objects = HalfDown(parts.objects, {down_for})
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as steps:
        collecting = steps.create_task(collecting_from(parts, objects).run())
        while not parts.kinds():
            await asyncio.sleep(0.01)
        yield
        objects.down_for.clear()
        while down_for in processed_in(parts):
            await asyncio.sleep(0.01)
        collecting.cancel()


def failure_of(completed: ImageProcessed) -> ImageProcessed:
    """Of the same attempt, which has put its object nevertheless."""
    return evolve(completed, processed_path="", status="failed", error="no")


def processed_in(parts: Parts) -> set[str]:
    return {file.removeprefix("processed/") for file in parts.files() if file.startswith("processed/")}


async def a_job_with_two_attempts(parts: Parts) -> tuple[Job, ImageProcessed, ImageProcessed]:
    """Of its only image; each has put its object, and may tell of it."""
    job = await a_published_job(parts)
    older, newest = result(job), result(job, attempt=2)
    for message in (older, newest):
        await put_tagged(parts, message)
    await sent_again(parts, job)
    return job, older, newest


async def sent_again(parts: Parts, job: Job) -> None:
    """One more attempt of its only image is under way."""
    await parts.ledger.change(job.job_id, lambda job: attempt_again(job, 0))
    await parts.dispatcher.run_once()

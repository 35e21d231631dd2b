import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from attrs import define, evolve

from gateway.domain.job import Job, Original
from gateway.domain.transitions import cancel, fetched
from gateway.errors import Conflict, NoRoom, Unavailable
from gateway.jobs.processed import known_paths
from gateway.messages import encode
from gateway.ports.broker import Queue
from gateway.ports.job_store import JobNotFound, JobStore
from gateway.ports.object_store import Bucket, ObjectKey, ObjectStore
from tests.builders import NOW, an_accepted_job
from tests.integration.jobs.batches import Linked
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_collector import (
    a_published_job,
    collect,
    encode_upload,
    put_tagged,
    result,
)
from tests.integration.jobs.test_retry import a_failed_job, failed
from tests.integration.jobs.test_submit import clean_as_at_a_start, sent
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg

DAY_S = 24 * 3600


async def an_ended_job(parts: Parts) -> str:
    job = await a_published_job(parts)
    await put_tagged(parts, result(job))
    await collect(parts, encode(result(job)))
    return job.job_id


async def test_an_ended_job_goes_a_day_after_its_end_with_its_objects(parts: Parts):
    job_id = await an_ended_job(parts)
    parts.clock.turn(DAY_S - 1)
    await parts.cleaner.run_once()
    assert (await parts.latest.get(job_id)).job_id == job_id
    parts.clock.turn(2)
    await parts.cleaner.run_once()
    with pytest.raises(JobNotFound):
        await parts.latest.get(job_id)
    assert parts.files() == []


async def test_objects_of_attempts_that_lost_go_with_their_job(parts: Parts):
    """The loser's result never came, so nobody else knows of its object."""
    job = await a_published_job(parts)
    await parts.broker.publish(Queue.DEAD_LETTER, encode_upload(job))
    await parts.dead_letters.run_once()
    image = (await parts.jobs.get(job.job_id)).images[0]
    paths = [path for _, path in known_paths(image)]
    for path in paths:
        await parts.put(Bucket.PROCESSED, path, a_jpeg())
    await parts.put(Bucket.PROCESSED, f"{image.trace_id}-a9/photo.jpg", a_jpeg())
    await collect(parts, encode(evolve(result(job, attempt=2), processed_path=paths[1])))
    parts.clock.turn(DAY_S + 1)
    await parts.cleaner.run_once()
    assert parts.files() == [f"processed/{image.trace_id}-a9/photo.jpg"]


async def test_objects_stay_where_the_settings_say_so(tmp_path):
    async with parts_in(tmp_path, delete_objects=False) as parts:
        await an_ended_job(parts)
        parts.clock.turn(DAY_S + 1)
        await parts.cleaner.run_once()
        assert len(parts.files()) == 2
        assert (await parts.jobs.page(limit=1)).total == 0


async def test_an_open_job_stays_however_old_it_is(parts: Parts):
    job = await a_published_job(parts)
    parts.clock.turn(10 * DAY_S)
    await parts.cleaner.run_once()
    assert (await parts.jobs.get(job.job_id)).counts.open == 1


async def test_the_objects_of_others_are_never_touched(parts: Parts):
    await parts.put(Bucket.ORIGINAL, "others/photo.jpg", a_jpeg())
    await an_ended_job(parts)
    parts.clock.turn(DAY_S + 1)
    await parts.cleaner.run_once()
    assert parts.files() == ["original/others/photo.jpg"]


async def test_a_download_that_crashed_leaves_no_object_behind(parts: Parts):
    job = await parts.submitted(Linked("https://example.com/a.jpg"))
    await parts.put(Bucket.ORIGINAL, f"{job.images[0].trace_id}/original.png", a_jpeg())
    await parts.ledger.change(job.job_id, lambda job: cancel(job, parts.clock.now()))
    parts.clock.turn(DAY_S + 1)
    await parts.cleaner.run_once()
    assert parts.files() == []


async def test_an_overdue_reservation_takes_its_objects_with_it(parts: Parts):
    await parts.put(Bucket.ORIGINAL, "b-x/original.png", a_jpeg())
    await parts.jobs.reserve(["b-x", "b-y"], deadline=parts.clock.now() + timedelta(seconds=10))
    await parts.cleaner.run_once()
    assert parts.files() == ["original/b-x/original.png"]
    parts.clock.turn(11)
    await parts.cleaner.run_once()
    assert parts.files() == []
    assert await parts.jobs.overdue(parts.clock.now(), limit=10) == ()


async def test_the_objects_of_an_accepted_job_stay_when_reservations_are_cleaned(parts: Parts):
    await parts.submitted(sent(a_jpeg()))
    parts.clock.turn(10 * DAY_S)
    await parts.cleaner.run_once()
    await clean_as_at_a_start(parts)
    assert len(parts.files()) == 1


async def test_a_job_can_not_be_committed_between_a_claim_and_the_removal(parts: Parts):
    await parts.jobs.reserve(["b-x"], deadline=parts.clock.now())
    await parts.jobs.claim(["b-x"])
    with pytest.raises(Conflict):
        await parts.ledger.add(an_accepted_job(1), reserved=["b-x"])


async def test_what_was_claimed_before_a_crash_is_removed_after_it(parts: Parts):
    await parts.put(Bucket.ORIGINAL, "b-x/original.jpg", a_jpeg())
    await parts.jobs.reserve(["b-x"], deadline=parts.clock.now() + timedelta(hours=1))
    await parts.jobs.claim(["b-x"])
    await parts.cleaner.run_once()
    assert parts.files() == []


@define(eq=False)
class WatchedObjects:
    """The real store, and what happens just before it deletes an original."""

    objects: ObjectStore
    before_delete: Callable[[], Awaitable[object]]

    async def delete(self, key: ObjectKey) -> None:
        if key.bucket is Bucket.ORIGINAL:
            await self.before_delete()
        await self.objects.delete(key)


async def test_a_request_that_is_late_can_not_commit_what_is_just_being_removed(parts: Parts):
    await parts.put(Bucket.ORIGINAL, "b-x/original.jpg", a_jpeg())
    await parts.jobs.reserve(["b-x"], deadline=parts.clock.now())
    parts.clock.turn(1)
    outcomes = []

    async def commit_late() -> None:
        try:
            await parts.ledger.add(an_accepted_job(1), reserved=["b-x"])
            outcomes.append("committed")
        except Conflict:
            outcomes.append("refused")

    watched = WatchedObjects(parts.objects, commit_late)
    cleaner = evolve(parts.cleaner, objects=watched)  # type: ignore[arg-type]  # the cleaner only deletes
    await cleaner.run_once()
    assert set(outcomes) == {"refused"}
    assert parts.files() == []


async def test_leftovers_that_are_being_removed_when_a_stop_comes_are_removed(parts: Parts):
    await parts.put(Bucket.ORIGINAL, "b-x/original.jpg", a_jpeg())
    await parts.jobs.reserve(["b-x"], deadline=parts.clock.now())
    parts.clock.turn(1)
    deletes, may_delete = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        deletes.set()
        await may_delete.wait()

    watched = WatchedObjects(parts.objects, wait)
    cleaner = evolve(parts.cleaner, objects=watched)  # type: ignore[arg-type]  # the cleaner only deletes
    cleaning = asyncio.create_task(cleaner.run())
    await deletes.wait()
    cleaning.cancel()
    await asyncio.sleep(0)
    may_delete.set()
    await asyncio.wait((cleaning,))
    assert cleaning.cancelled()
    assert parts.files() == []
    assert await parts.jobs.overdue(parts.clock.now(), limit=10) == ()


# Originals that several jobs work on


async def retried(parts: Parts, job_id: str) -> Job:
    """A retry of all that failed there, which failed again."""
    job = await parts.retry(job_id)
    return await failed(parts, job, *range(len(job.images)))


async def clean_after(parts: Parts, seconds: float) -> None:
    parts.clock.turn(seconds)
    await parts.cleaner.run_once()


async def job_ids(parts: Parts) -> list[str]:
    return [job.job_id for job in (await parts.jobs.page(limit=10)).jobs]


async def test_an_original_goes_with_the_last_job_that_works_on_it(parts: Parts):
    first = await a_failed_job(parts, images=1)
    originals = parts.files()
    parts.clock.turn(60)
    second = await retried(parts, first.job_id)
    parts.clock.turn(60)
    third = await retried(parts, second.job_id)
    await clean_after(parts, DAY_S - 119)
    assert (await job_ids(parts), parts.files()) == ([third.job_id, second.job_id], originals)
    await clean_after(parts, 60)
    assert (await job_ids(parts), parts.files()) == ([third.job_id], originals)
    await clean_after(parts, 60)
    assert (await job_ids(parts), parts.files()) == ([], [])


async def test_originals_that_were_not_tried_again_go_with_their_own_job(parts: Parts):
    first = await a_failed_job(parts, images=3)
    parts.clock.turn(60)
    await parts.retry(first.job_id, [1])
    await clean_after(parts, DAY_S - 59)
    assert first.images[1].original is not None
    assert parts.files() == [f"original/{first.images[1].original.key}"]


async def test_a_retry_that_is_removed_first_leaves_the_original_to_the_job_that_is_still_running(
    parts: Parts,
):
    first = await failed(parts, await a_published_job(parts, images=2), 0)
    await retried(parts, first.job_id)
    await clean_after(parts, DAY_S + 1)
    assert await job_ids(parts) == [first.job_id]
    assert len(parts.files()) == 2
    await failed(parts, first, 1)
    await clean_after(parts, DAY_S + 1)
    assert (await job_ids(parts), parts.files()) == ([], [])


async def test_a_downloaded_original_that_came_with_a_retry_goes_with_it(parts: Parts):
    job = await parts.submitted(Linked("https://example.com/a.jpg"))
    name = job.images[0].trace_id
    await parts.put(Bucket.ORIGINAL, f"{name}/original.jpg", a_jpeg())
    original = Original(f"{name}/original.jpg", "image/jpeg", len(a_jpeg()), "9f" * 32)
    await parts.ledger.change(job.job_id, lambda job: fetched(job, 0, original))
    await failed(parts, job, 0)
    parts.clock.turn(60)
    await retried(parts, job.job_id)
    await clean_after(parts, DAY_S - 59)
    assert parts.files() == [f"original/{original.key}"]
    await clean_after(parts, 60)
    assert parts.files() == []


async def test_processed_images_of_a_job_go_though_its_original_stays(parts: Parts):
    first = await failed(parts, await a_published_job(parts, images=2), 0)
    await put_tagged(parts, result(first, 1))
    await collect(parts, encode(result(first, 1)))
    parts.clock.turn(60)
    await parts.retry(first.job_id)
    await clean_after(parts, DAY_S - 59)
    assert first.images[0].original is not None
    assert parts.files() == [f"original/{first.images[0].original.key}"]


async def just_before_its_time_is_over(parts: Parts) -> None:
    """And nothing else is left to be removed."""
    await clean_after(parts, DAY_S - 1)
    parts.clock.turn(2)


async def test_a_retry_in_the_very_moment_of_the_removal_is_refused(parts: Parts):
    job = await a_failed_job(parts, images=1)
    codes: list[str] = []

    async def retry_late() -> None:
        with pytest.raises(Conflict) as caught:
            await parts.retry(job.job_id)
        codes.append(caught.value.code)

    await just_before_its_time_is_over(parts)
    await evolve(parts.cleaner, objects=WatchedObjects(parts.objects, retry_late)).run_once()  # type: ignore[arg-type]
    assert set(codes) == {"job_retired"}
    assert (await job_ids(parts), parts.files()) == ([], [])


async def test_a_retry_just_before_the_removal_keeps_its_original(parts: Parts):
    job = await a_failed_job(parts, images=1)
    parts.clock.turn(DAY_S + 1)
    again = await parts.retry(job.job_id)
    await parts.cleaner.run_once()
    assert await job_ids(parts) == [again.job_id]
    assert again.images[0].original is not None
    assert parts.files() == [f"original/{again.images[0].original.key}"]


async def test_a_job_and_its_retry_that_go_together_take_the_original_along(parts: Parts):
    await parts.retry((await a_failed_job(parts, images=1)).job_id)
    for job_id in await job_ids(parts):
        await parts.ledger.change(job_id, lambda job: cancel(job, parts.clock.now()))
    await clean_after(parts, DAY_S + 1)
    assert (await job_ids(parts), parts.files()) == ([], [])


@define(eq=False)
class MeetingJobs:
    """The real job store, where nobody is retired alone."""

    jobs: JobStore
    meeting: asyncio.Barrier

    async def get(self, job_id: str) -> Job:
        return await self.jobs.get(job_id)

    async def retire(self, job_id: str) -> frozenset[str]:
        async with asyncio.timeout(PATIENCE_S):
            await self.meeting.wait()
        return await self.jobs.retire(job_id)


async def test_old_jobs_go_side_by_side_so_that_they_share_commits(parts: Parts):
    for _ in range(2):
        await a_failed_job(parts, images=1)
    await just_before_its_time_is_over(parts)
    meeting: Any = MeetingJobs(parts.jobs, asyncio.Barrier(2))
    await evolve(parts.cleaner, jobs=meeting).run_once()
    assert (await job_ids(parts), parts.files()) == ([], [])


@define(eq=False)
class DyingParts:
    """The real object store and ledger, until everything dies at one of their deletes."""

    parts: Parts
    deletes_left: int

    async def delete(self, thing: ObjectKey | str) -> None:
        if self.deletes_left == 0:
            raise Unavailable("All is dead.")
        self.deletes_left -= 1
        owner = self.parts.objects if isinstance(thing, ObjectKey) else self.parts.ledger
        await owner.delete(thing)  # type: ignore[arg-type]


@pytest.mark.parametrize("deletes", range(6))
async def test_a_crash_at_any_point_leaves_no_job_without_its_original_and_only_repeats(
    parts: Parts, deletes: int
):
    """Of the four places of tagged images, then of the one original, then of the job; with a retry right after it."""
    first = await a_failed_job(parts, images=2)
    await parts.retry(first.job_id, [1])
    await just_before_its_time_is_over(parts)
    dying: Any = DyingParts(parts, deletes)
    with pytest.raises(Unavailable):
        await evolve(parts.cleaner, objects=dying, ledger=dying).run_once()
    with suppress(Conflict):
        await parts.retry(first.job_id, [0])
    await parts.cleaner.run_once()
    left = [await parts.jobs.get(job_id) for job_id in await job_ids(parts)]
    assert len(left) == (2 if deletes < 4 else 1)
    assert {job.retry_of for job in left} == {first.job_id}
    originals = {image.original for job in left for image in job.images}
    assert parts.files() == sorted(f"original/{original.key}" for original in originals if original)


@define(eq=False)
class FullJobs:
    """The real job store, on a disk that is full."""

    jobs: JobStore

    async def get(self, job_id: str) -> Job:
        return await self.jobs.get(job_id)

    async def retire(self, job_id: str) -> frozenset[str]:
        raise NoRoom("The disk is full.")


async def test_on_a_full_disk_tagged_copies_of_all_old_jobs_make_room_for_what_is_written(parts: Parts):
    await a_failed_job(parts, images=1)
    await an_ended_job(parts)
    await just_before_its_time_is_over(parts)
    full: Any = FullJobs(parts.jobs)
    with pytest.raises(NoRoom):
        await evolve(parts.cleaner, jobs=full).run_once()
    assert [file.partition("/")[0] for file in parts.files()] == ["original", "original"]
    await parts.cleaner.run_once()
    assert (await job_ids(parts), parts.files()) == ([], [])


# What else is forgotten


async def test_an_answer_is_forgotten_when_its_time_is_over(parts: Parts):
    job = await a_failed_job(parts)
    await parts.retry.once(job.job_id, None, key="a key")
    await clean_after(parts, DAY_S + 1)
    assert await parts.jobs.answer("a key", now=NOW) is None

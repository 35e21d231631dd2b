"""Images that are not analysed again, with the real stores: sent along, downloaded, and when the cleaner comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve

from gateway.domain.events import EventType
from gateway.domain.job import Image, ImageRef, Job, Stage, Status
from gateway.domain.options import BatchOptions
from gateway.domain.reuse import Analysed
from gateway.domain.transitions import cancel
from gateway.errors import Unavailable
from gateway.jobs.accepting.submit import Submit
from gateway.jobs.reuse import Reuse
from gateway.messages import encode
from gateway.metadata import FieldPolicy, MetadataPolicy
from gateway.ports.job_store import JobNotFound
from gateway.ports.object_store import Bucket, ObjectKey, StoredObject
from gateway.processor.tags import write_tags
from tests.integration.jobs.batches import Linked, Member, batch_of
from tests.integration.jobs.downloads import fetched_once, fetching
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_collector import WORDS, collect, result
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg, a_png
from tests.servers.web import image as page_of
from tests.servers.web import web_server

DAY_S = 24 * 3600
KEEP_TITLES = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts_in(tmp_path, reuse=True, metadata_options="allowed") as made:
        yield made


async def analysed(parts: Parts, *members: Member) -> Job:
    """The job of these, all of its images tagged."""
    job = await parts.submitted(*members)
    await parts.dispatcher.run_once()
    for image in job.images:
        message = result(job, image.index)
        await parts.put(Bucket.PROCESSED, message.processed_path, write_tags(a_jpeg(), WORDS))
        await collect(parts, encode(message))
    return await parts.jobs.get(job.job_id)


async def clean_after(parts: Parts, seconds: float) -> None:
    parts.clock.turn(seconds)
    await parts.cleaner.run_once()


def copy_of(image: Image) -> str:
    """Where the tagged copy lies among `Parts.files`."""
    return f"processed/{image.processed_path}"


# Sent along


async def test_the_same_bytes_are_completed_at_once_with_what_was_found_in_them(parts: Parts):
    first = await analysed(parts, sent(a_jpeg(), "boats.jpg"))
    second = await parts.submitted(sent(a_jpeg(), "again.jpg"))
    (image,) = second.images
    assert (second.status, image.status) == (Status.COMPLETED, Status.COMPLETED)
    assert image.reused_from == ImageRef(first.job_id, 0)
    assert (image.processed_path, image.metadata) == (first.images[0].processed_path, WORDS)


async def test_they_are_stored_as_any_under_their_own_name(parts: Parts):
    first = await analysed(parts, sent(a_jpeg(), "boats.jpg"))
    (image,) = (await parts.submitted(sent(a_jpeg(), "again.jpg"))).images
    assert image.original is not None
    assert image.original_filename == "again.jpg"
    assert image.original != first.images[0].original
    assert f"original/{image.original.key}" in parts.files()


async def test_nothing_of_them_is_sent_to_the_analyzer(parts: Parts):
    await analysed(parts, sent(a_jpeg()))
    await parts.submitted(sent(a_jpeg()))
    assert await parts.jobs.to_publish(parts.clock.now(), limit=10, max_running=10) == {}


async def test_other_images_of_the_batch_are_analysed(parts: Parts):
    await analysed(parts, sent(a_jpeg()))
    job = await parts.submitted(sent(a_png(), "b.png"), sent(b"no image"), sent(a_jpeg()))
    assert [image.status for image in job.images] == [Status.PENDING, Status.FAILED, Status.COMPLETED]
    assert await parts.jobs.to_publish(parts.clock.now(), limit=10, max_running=10) == {job.job_id: [0]}


async def test_whoever_follows_a_job_of_reused_images_alone_gets_its_state_and_its_end(parts: Parts):
    await analysed(parts, sent(a_jpeg()))
    job = await parts.submitted(sent(a_jpeg()), sent(a_jpeg()))
    told = [event async for event in parts.stream.follow(job.job_id)]
    assert [event.type for event in told] == [EventType.PROGRESS, EventType.JOB_COMPLETE]
    assert told[0].counts.completed == 2


async def test_a_third_one_names_the_image_that_was_analysed(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    for _ in range(2):
        (image,) = (await parts.submitted(sent(a_jpeg()))).images
        assert image.reused_from == ImageRef(first.job_id, 0)


async def test_the_same_image_twice_in_one_batch_is_analysed_twice_and_reused_twice(parts: Parts):
    twice = await parts.submitted(sent(a_jpeg()), sent(a_jpeg()))
    assert [image.status for image in twice.images] == [Status.PENDING] * 2
    await parts.ledger.change(twice.job_id, lambda job: cancel(job, parts.clock.now()))
    first = await analysed(parts, sent(a_jpeg()))
    again = await parts.submitted(sent(a_jpeg()), sent(a_jpeg()))
    assert [image.reused_from for image in again.images] == [ImageRef(first.job_id, 0)] * 2
    assert again.images[0].original != again.images[1].original


async def test_with_other_options_they_are_analysed_again(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()), KEEP_TITLES)
    (other,) = (await parts.submitted(sent(a_jpeg()))).images
    (same,) = (await parts.submitted(sent(a_jpeg()), KEEP_TITLES)).images
    assert other.status is Status.PENDING
    assert same.reused_from == ImageRef(first.job_id, 0)


async def test_unless_it_is_set_they_are_analysed_again(tmp_path: Path):
    async with parts_in(tmp_path) as parts:
        await analysed(parts, sent(a_jpeg()))
        (image,) = (await parts.submitted(sent(a_jpeg()))).images
    assert (image.status, image.reused_from) == (Status.PENDING, None)


async def test_what_was_analysed_before_it_was_set_is_reused(tmp_path: Path):
    async with parts_in(tmp_path) as parts:
        first = await analysed(parts, sent(a_jpeg()))
    async with parts_in(tmp_path, reuse=True) as parts:
        (image,) = (await parts.submitted(sent(a_jpeg()))).images
    assert image.reused_from == ImageRef(first.job_id, 0)


async def test_a_repeat_of_the_request_gets_the_same_answer(parts: Parts):
    await analysed(parts, sent(a_jpeg()))
    answers = [await parts.accepted(sent(a_jpeg()), key="key") for _ in range(2)]
    assert [answer.receipt.status for answer in answers] == [Status.COMPLETED] * 2
    assert answers[0].receipt == answers[1].receipt


# Downloaded


async def test_a_download_of_the_same_bytes_is_completed_when_it_is_there(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    async with web_server({"/a.jpg": page_of(a_jpeg())}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/a.jpg")))
        (image,) = await fetched_once(parts, fetcher, job)
    assert (image.status, image.reused_from) == (Status.COMPLETED, ImageRef(first.job_id, 0))
    assert (image.original_filename, image.metadata) == ("a.jpg", WORDS)
    assert image.original is not None
    assert f"original/{image.original.key}" in parts.files()
    assert (await parts.jobs.get(job.job_id)).status is Status.COMPLETED


async def test_what_was_downloaded_and_analysed_is_reused_for_what_is_sent(parts: Parts):
    async with web_server({"/a.jpg": page_of(a_jpeg())}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/a.jpg")))
        await fetched_once(parts, fetcher, job)
    await parts.dispatcher.run_once()
    message = result(job)
    await parts.put(Bucket.PROCESSED, message.processed_path, write_tags(a_jpeg(), WORDS))
    await collect(parts, encode(message))
    (image,) = (await parts.submitted(sent(a_jpeg()))).images
    assert image.reused_from == ImageRef(job.job_id, 0)


async def test_a_download_with_other_options_is_analysed(parts: Parts):
    await analysed(parts, sent(a_jpeg()))
    async with web_server({"/a.jpg": page_of(a_jpeg())}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/a.jpg")), KEEP_TITLES)
        (image,) = await fetched_once(parts, fetcher, job)
    assert image.stage is Stage.PUBLISH


# Tagged copies that are named by several jobs


async def test_a_tagged_copy_goes_with_the_last_job_that_names_it(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    parts.clock.turn(60)
    second = await parts.submitted(sent(a_jpeg()))
    parts.clock.turn(60)
    third = await parts.submitted(sent(a_jpeg()))
    await clean_after(parts, DAY_S - 119)
    with pytest.raises(JobNotFound):
        await parts.jobs.get(first.job_id)
    assert copy_of(second.images[0]) in parts.files()
    await clean_after(parts, 60)
    assert copy_of(third.images[0]) in parts.files()
    await clean_after(parts, 60)
    assert parts.files() == []


async def test_a_job_that_is_removed_before_the_one_it_reuses_leaves_the_copy_there(parts: Parts):
    first = await parts.submitted(sent(a_jpeg()), sent(a_png()))
    message = result(first)
    await parts.put(Bucket.PROCESSED, message.processed_path, write_tags(a_jpeg(), WORDS))
    await collect(parts, encode(message))
    second = await parts.submitted(sent(a_jpeg()))
    await clean_after(parts, DAY_S + 1)
    with pytest.raises(JobNotFound):
        await parts.jobs.get(second.job_id)
    assert f"processed/{message.processed_path}" in parts.files()


async def test_jobs_whose_time_ends_together_leave_nothing(parts: Parts):
    await analysed(parts, sent(a_jpeg()))
    for _ in range(3):
        await parts.submitted(sent(a_jpeg()))
    await clean_after(parts, DAY_S + 1)
    assert parts.files() == []


async def test_once_the_analysed_image_is_gone_the_next_one_is_analysed(parts: Parts):
    await analysed(parts, sent(a_jpeg()))
    parts.clock.turn(60)
    await parts.submitted(sent(a_jpeg()))
    await clean_after(parts, DAY_S - 59)
    (image,) = (await parts.submitted(sent(a_jpeg()))).images
    assert image.status is Status.PENDING


async def test_a_repeated_result_of_a_job_that_is_gone_leaves_the_copy_to_who_reuses_it(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    parts.clock.turn(60)
    second = await parts.submitted(sent(a_jpeg()))
    await clean_after(parts, DAY_S - 59)
    await collect(parts, encode(result(first)))
    assert copy_of(second.images[0]) in parts.files()


# Stores that lost something, or are in trouble


async def test_an_image_whose_tagged_copy_is_gone_is_not_reused(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    assert first.images[0].processed_path
    await parts.objects.delete(ObjectKey(Bucket.PROCESSED, first.images[0].processed_path))
    (image,) = (await parts.submitted(sent(a_jpeg()))).images
    assert image.status is Status.PENDING


async def test_what_a_crash_of_the_cleaner_left_of_a_job_is_reused_or_not_by_what_is_there(parts: Parts):
    """Withdrawn was said in memory alone, and one of two copies is gone."""
    first = await analysed(parts, sent(a_jpeg()), sent(a_png()))
    assert first.images[0].processed_path
    await parts.objects.delete(ObjectKey(Bucket.PROCESSED, first.images[0].processed_path))
    job = await parts.submitted(sent(a_jpeg()), sent(a_png()))
    assert [image.status for image in job.images] == [Status.PENDING, Status.COMPLETED]
    await parts.ledger.change(job.job_id, lambda job: cancel(job, parts.clock.now()))
    await clean_after(parts, DAY_S + 1)
    assert parts.files() == []


class Silent:
    """An object store, or a job store, that does not answer in time."""

    async def head(self, key: ObjectKey) -> StoredObject:
        raise Unavailable("The object store is down.", detail=str(key))

    async def find_analysed(self, sha256s: object, options: BatchOptions) -> dict[str, Analysed]:
        raise TimeoutError


@pytest.mark.parametrize("silent", ["objects", "analysed"])
async def test_while_a_store_can_not_tell_images_are_analysed(parts: Parts, silent: str):
    await analysed(parts, sent(a_jpeg()))
    store: Any = Silent()
    reuse = evolve(parts.reuse, **{silent: store})
    (image,) = await submitted_with(parts, reuse, sent(a_jpeg()))
    assert image.status is Status.PENDING


class Endless:
    """A job store that is still looking."""

    def __init__(self) -> None:
        self.was_asked = asyncio.Event()

    async def find_analysed(self, sha256s: object, options: BatchOptions) -> dict[str, Analysed]:
        self.was_asked.set()
        await asyncio.Event().wait()
        return {}


async def test_a_request_that_is_cancelled_while_it_is_looked_for_leaves_nothing(parts: Parts):
    endless: Any = Endless()
    reuse = evolve(parts.reuse, analysed=endless)
    request = asyncio.create_task(submitted_with(parts, reuse, sent(a_jpeg())))
    await endless.was_asked.wait()
    assert len(parts.files()) == 1
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert parts.files() == []


async def submitted_with(parts: Parts, reuse: Reuse, *members: Member) -> Sequence[Image]:
    submit: Submit = evolve(parts.submit, reuse=reuse)
    accepted = await submit(batch_of(*members))
    return (await parts.jobs.get(accepted.receipt.job_id)).images


@define(eq=False)
class Overtaken:
    """The real job store, and what happens just after it told what can be reused."""

    parts: Parts
    meanwhile: Callable[[], Awaitable[object]]

    async def find_analysed(self, sha256s: list[str], options: BatchOptions) -> object:
        found = await self.parts.jobs.find_analysed(sha256s, options)
        await self.meanwhile()
        return found


async def test_an_image_whose_source_is_removed_before_its_commit_is_analysed(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    overtaken: Any = Overtaken(parts, lambda: parts.jobs.withdraw([first.job_id]))
    (image,) = await submitted_with(parts, evolve(parts.reuse, analysed=overtaken), sent(a_jpeg()))
    assert (image.status, image.reused_from) == (Status.PENDING, None)
    assert image.original is not None
    assert f"original/{image.original.key}" in parts.files()


async def test_a_download_whose_source_is_removed_before_its_commit_is_analysed(parts: Parts):
    first = await analysed(parts, sent(a_jpeg()))
    overtaken: Any = Overtaken(parts, lambda: parts.jobs.retire(first.job_id))
    reuse = evolve(parts.reuse, analysed=overtaken)
    async with web_server({"/a.jpg": page_of(a_jpeg())}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/a.jpg")))
        (image,) = await fetched_once(parts, evolve(fetcher, reuse=reuse), job)
    assert (image.stage, image.reused_from) == (Stage.PUBLISH, None)


async def test_whatever_the_cleaner_takes_beside_requests_what_is_told_as_completed_is_there(parts: Parts):
    """Jobs whose time is over go while the same bytes are sent again and again."""
    for _ in range(5):
        await analysed(parts, sent(a_jpeg()))
    parts.clock.turn(DAY_S + 1)
    jobs, _ = await asyncio.gather(
        asyncio.gather(*(parts.submitted(sent(a_jpeg())) for _ in range(20))), parts.cleaner.run_once()
    )
    files = parts.files()
    for image in (image for job in jobs for image in job.images):
        assert image.status is Status.PENDING or copy_of(image) in files

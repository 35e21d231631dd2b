"""Images that are not analysed again, with the real stores: sent along or downloaded."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.domain.events import EventType
from gateway.domain.job import ImageRef, Stage, Status
from gateway.domain.options import BatchOptions
from gateway.domain.transitions import cancel
from gateway.metadata import FieldPolicy, MetadataPolicy
from tests.integration.jobs.analysed_jobs import analyse, analysed
from tests.integration.jobs.batches import Linked
from tests.integration.jobs.downloads import fetched_once, fetching
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_collector import WORDS
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg, a_png
from tests.recording_subscriber import subscribed
from tests.servers.web import image as page_of
from tests.servers.web import web_server

KEEP_TITLES = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts_in(tmp_path, reuse=True, metadata_options="allowed") as made:
        yield made


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
    async with subscribed(parts.hub, parts.stream, job.job_id) as reader:
        told = await reader.until_ended()
    assert reader.opening.event.counts.completed == 2
    assert [event.type for event in told] == [EventType.JOB_COMPLETE]


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
    await analyse(parts, job)
    (image,) = (await parts.submitted(sent(a_jpeg()))).images
    assert image.reused_from == ImageRef(job.job_id, 0)


async def test_a_download_with_other_options_is_analysed(parts: Parts):
    await analysed(parts, sent(a_jpeg()))
    async with web_server({"/a.jpg": page_of(a_jpeg())}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/a.jpg")), KEEP_TITLES)
        (image,) = await fetched_once(parts, fetcher, job)
    assert image.stage is Stage.PUBLISH

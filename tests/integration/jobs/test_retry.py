import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from attrs import evolve

from gateway.domain.dead_letter import DeadLetter
from gateway.domain.job import Image, Job, Status
from gateway.domain.options import BatchOptions
from gateway.domain.transitions import cancel, fail
from gateway.errors import BadInput, Conflict, GatewayError, Unavailable
from gateway.messages import encode
from gateway.metadata import FieldPolicy, MetadataPolicy
from gateway.ports.dead_letters import DeadLetterNotFound
from gateway.ports.job_store import JobNotFound, TakenLetter
from gateway.ports.object_store import Bucket, ObjectKey, StoredObject
from tests.builders import NOW, a_failure, after
from tests.integration.jobs.batches import Linked
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_collector import a_published_job, collect, put_tagged, result
from tests.integration.jobs.test_submit import sent
from tests.photos import a_jpeg, a_png

URL = "https://example.com/a.jpg"


async def failed(parts: Parts, job: Job, *indices: int) -> Job:
    """The images have failed, for a reason that may be gone by now."""
    for index in indices:
        decide = partial(fail, index=index, failure=a_failure(), now=parts.clock.now())
        job = after(await parts.ledger.change(job.job_id, decide)).job
    return job


async def a_failed_job(parts: Parts, images: int = 3) -> Job:
    job = await parts.submitted(*(sent(a_jpeg(), f"{index}.jpg") for index in range(images)))
    return await failed(parts, job, *range(images))


def faults_of(error: GatewayError) -> Sequence[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in error.faults]


# The new job


async def test_without_indices_all_failed_images_are_tried_again_in_their_order(parts: Parts):
    job = await parts.submitted(sent(a_jpeg(), "a.jpg"), sent(a_jpeg(), "b.jpg"), sent(a_png(), "c.png"))
    job = await failed(parts, job, 2, 0)
    again = await parts.retry(job.job_id)
    assert [image.original_filename for image in again.images] == ["a.jpg", "c.png"]
    assert [image.index for image in again.images] == [0, 1]
    assert (again.retry_of, again.status) == (job.job_id, Status.PENDING)
    assert await parts.jobs.get(again.job_id) == again


async def test_indices_are_tried_again_in_the_order_in_which_they_are_named(parts: Parts):
    job = await a_failed_job(parts)
    again = await parts.retry(job.job_id, [2, 0])
    assert [image.original_filename for image in again.images] == ["2.jpg", "0.jpg"]


async def test_an_image_has_a_name_of_its_own_and_the_original_that_is_kept(parts: Parts):
    job = await a_failed_job(parts, images=1)
    before = parts.files()
    (image,) = (await parts.retry(job.job_id)).images
    assert image.trace_id != job.images[0].trace_id
    assert image.original == job.images[0].original
    assert parts.files() == before


async def test_of_an_image_nothing_else_is_taken_over(parts: Parts):
    job = await a_failed_job(parts, images=1)
    (image,) = (await parts.retry(job.job_id)).images
    assert image == Image(
        index=0, original_filename="0.jpg", trace_id=image.trace_id, original=job.images[0].original
    )


async def test_an_image_whose_download_failed_is_downloaded_anew(parts: Parts):
    job = await failed(parts, await parts.submitted(Linked(URL)), 0)
    again = await parts.retry(job.job_id)
    assert (again.images[0].source_url, again.images[0].original, again.images[0].tries) == (URL, None, 0)
    due = await parts.jobs.to_fetch(parts.clock.now(), limit=10, max_running=10)
    assert list(due) == [again.job_id]


async def test_what_was_asked_for_with_the_batch_is_asked_for_again(tmp_path):
    options = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))
    async with parts_in(tmp_path, metadata_options="allowed") as parts:
        job = await failed(parts, await parts.submitted(sent(a_jpeg()), options), 0)
        assert (await parts.retry(job.job_id)).options == options


async def test_what_is_not_taken_any_more_is_refused_and_not_dropped(tmp_path):
    """Another processor stands beside the gateway since."""
    options = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))
    async with parts_in(tmp_path, metadata_options="allowed") as parts:
        job = await failed(parts, await parts.submitted(sent(a_jpeg()), options), 0)
        for indices in (None, [0]):
            with pytest.raises(Conflict) as caught:
                await evolve(parts.retry, takes_metadata_options=False)(job.job_id, indices)
            assert caught.value.code == "metadata_options_refused"
        assert (await parts.jobs.page(limit=10)).total == 1


async def test_the_old_job_stays_as_it_is(parts: Parts):
    job = await a_failed_job(parts)
    await parts.retry(job.job_id)
    assert await parts.jobs.get(job.job_id) == job


async def test_failed_images_of_a_job_that_is_still_running_are_tried_again(parts: Parts):
    job = await failed(parts, await a_published_job(parts, images=2), 0)
    again = await parts.retry(job.job_id)
    assert len(again.images) == 1
    assert (await parts.jobs.get(job.job_id)).counts.open == 1


async def test_the_new_job_goes_through_the_pipeline_on_the_kept_original(parts: Parts):
    job = await a_failed_job(parts, images=1)
    again = await parts.retry(job.job_id)
    await parts.dispatcher.run_once()
    await put_tagged(parts, result(again))
    await collect(parts, encode(result(again)))
    assert (await parts.jobs.get(again.job_id)).status is Status.COMPLETED


async def test_images_of_a_retry_that_failed_are_tried_again(parts: Parts):
    job = await a_failed_job(parts)
    second = await failed(parts, await parts.retry(job.job_id, [1]), 0)
    third = await parts.retry(second.job_id)
    assert third.retry_of == second.job_id
    assert third.images[0].original == job.images[1].original


# What can't be tried again


async def test_an_unknown_job_can_not_be_tried_again(parts: Parts):
    with pytest.raises(JobNotFound):
        await parts.retry("nobody")


async def test_images_that_did_not_fail_are_refused_with_their_places(parts: Parts):
    job = await a_published_job(parts, images=3)
    await put_tagged(parts, result(job))
    await collect(parts, encode(result(job)))
    await failed(parts, job, 1)
    with pytest.raises(Conflict) as caught:
        await parts.retry(job.job_id, [2, 1, 0])
    assert caught.value.code == "not_failed"
    assert faults_of(caught.value) == [("/images/0", "not_failed"), ("/images/2", "not_failed")]


async def test_a_cancelled_image_has_not_failed(parts: Parts):
    job = await parts.submitted(sent(a_jpeg()))
    await parts.ledger.change(job.job_id, lambda job: cancel(job, NOW))
    with pytest.raises(Conflict, match="image 0: it has not failed, but is cancelled"):
        await parts.retry(job.job_id, [0])


async def test_refused_content_that_is_named_is_refused_for_nothing_of_it_was_kept(parts: Parts):
    job = await failed(parts, await parts.submitted(sent(a_jpeg()), sent(b"text")), 0)
    with pytest.raises(Conflict) as caught:
        await parts.retry(job.job_id, [0, 1])
    assert caught.value.code == "original_not_kept"
    assert faults_of(caught.value) == [("/images/1", "original_not_kept")]


async def test_without_indices_refused_content_is_left_out(parts: Parts):
    job = await failed(parts, await parts.submitted(sent(b"text"), sent(a_jpeg(), "b.jpg")), 1)
    assert [image.original_filename for image in (await parts.retry(job.job_id)).images] == ["b.jpg"]


@pytest.mark.parametrize(
    ("content", "why"),
    [(a_jpeg(), "has failed, so far."), (b"text", "1 failed for their content")],
    ids=["nothing failed", "content was refused"],
)
async def test_where_nothing_can_be_tried_again_there_is_nothing_to_retry(
    parts: Parts, content: bytes, why: str
):
    job = await parts.submitted(sent(content))
    with pytest.raises(Conflict, match=why) as caught:
        await parts.retry(job.job_id)
    assert caught.value.code == "nothing_to_retry"


@pytest.mark.parametrize(
    ("indices", "faults"),
    [
        ([0, 3, -1], [("/images/1", "bad_index"), ("/images/2", "bad_index")]),
        ([0, 1, 0, 1], [("/images/2", "index_twice"), ("/images/3", "index_twice")]),
        ([], [("/images", "no_images")]),
    ],
    ids=["out of range", "twice", "none"],
)
async def test_indices_that_name_no_images_are_refused(parts: Parts, indices, faults):
    job = await a_failed_job(parts)
    with pytest.raises(BadInput) as caught:
        await parts.retry(job.job_id, indices)
    assert faults_of(caught.value) == faults


@pytest.mark.parametrize("indices", [None, [2, 1, 0]])
async def test_originals_that_are_gone_are_refused_all_of_them(parts: Parts, indices):
    job = await a_failed_job(parts)
    for image in job.images[1:]:
        assert image.original is not None
        await parts.objects.delete(ObjectKey(Bucket.ORIGINAL, image.original.key))
    with pytest.raises(Conflict) as caught:
        await parts.retry(job.job_id, indices)
    assert {code for _, code in faults_of(caught.value)} == {caught.value.code} == {"original_gone"}
    assert [place for place, _ in faults_of(caught.value)] == (
        ["/images/0", "/images/1"] if indices else ["", ""]
    )
    assert (await parts.jobs.page(limit=10)).total == 1


class NoObjects:
    """An object store that is down."""

    async def head(self, key: ObjectKey) -> StoredObject:
        raise Unavailable("The object store is down.")


class SilentObjects:
    """An object store that says nothing."""

    async def head(self, key: ObjectKey) -> StoredObject:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("objects", [NoObjects(), SilentObjects()], ids=["down", "silent"])
async def test_while_the_object_store_is_away_nothing_is_accepted(parts: Parts, objects: Any):
    job = await a_failed_job(parts)
    retry = evolve(parts.retry, objects=objects, look_s=0.05)
    with pytest.raises(Unavailable):
        await retry(job.job_id)
    assert (await parts.jobs.page(limit=10)).total == 1


async def test_a_job_that_is_about_to_be_removed_is_refused(parts: Parts):
    job = await a_failed_job(parts)
    await parts.jobs.retire(job.job_id)
    with pytest.raises(Conflict) as caught:
        await parts.retry(job.job_id)
    assert caught.value.code == "job_retired"
    assert (await parts.jobs.page(limit=10)).total == 1


# What is committed with it


def a_letter(job: Job) -> DeadLetter:
    image = job.images[0]
    return DeadLetter(
        dead_letter_id=image.trace_id, job_id=job.job_id, index=0, trace_id=image.trace_id, attempt=1,
        queue="image_upload", reason="rejected", code="analysis_failed", count=1, at=NOW, body="{}",
    )  # fmt: skip


async def test_companions_are_made_of_the_new_job_and_committed_with_it(parts: Parts):
    job = await a_failed_job(parts)
    await parts.jobs.keep_letter(a_letter(job))
    made_of: list[Job] = []

    def taken(new: Job) -> Sequence[TakenLetter]:
        made_of.append(new)
        return [TakenLetter(a_letter(job).dead_letter_id)]

    again = await parts.retry(job.job_id, [0], companions=taken)
    assert made_of == [again]
    assert (await parts.jobs.letters(limit=10)).total == 0


async def test_without_its_companions_no_job_is_committed(parts: Parts):
    job = await a_failed_job(parts)
    with pytest.raises(DeadLetterNotFound):
        await parts.retry(job.job_id, companions=lambda _: [TakenLetter("nobody")])
    assert (await parts.jobs.page(limit=10)).total == 1


async def test_of_two_who_take_the_same_letter_one_gets_a_job(parts: Parts):
    job = await a_failed_job(parts)
    letter = a_letter(job)
    await parts.jobs.keep_letter(letter)
    for _ in range(2):
        with suppress(DeadLetterNotFound):
            await parts.retry(job.job_id, [0], companions=lambda _: [TakenLetter(letter.dead_letter_id)])
    assert (await parts.jobs.page(limit=10)).total == 2

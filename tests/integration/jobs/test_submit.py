import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.domain.job import Status
from gateway.domain.options import BatchOptions
from gateway.errors import BadInput, Conflict, ContentError, TooSlow, Unprocessable
from gateway.intake.batch import SentImage
from gateway.jobs.accepting.beginning import PIECE_BYTES
from gateway.metadata import FieldPolicy, MetadataPolicy
from gateway.ports.job_store import JobNotFound
from tests.integration.jobs.batches import Linked, Sent
from tests.integration.jobs.parts import LATE_S, Parts, parts_in
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg, a_png, a_truncated_jpeg, padded


async def bytes_of(content: bytes, piece: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


def sent(content: bytes, name: str | None = "photo.jpg") -> Sent:
    return Sent(bytes_of(content), name)


async def test_what_was_sent_lies_in_the_store_when_the_job_is_committed(parts: Parts):
    job = await parts.submitted(sent(a_jpeg()), sent(a_png(), "b.png"))
    assert (await parts.jobs.get(job.job_id)) == job
    first, second = job.images
    assert first.original is not None
    assert second.original is not None
    assert parts.files() == sorted(f"original/{key}" for key in (first.original.key, second.original.key))
    assert first.original.sha256 == hashlib.sha256(a_jpeg()).hexdigest()
    assert first.original.size == len(a_jpeg())
    assert second.original.key == f"{second.trace_id}/original.png"


async def test_a_png_called_jpg_is_taken_as_what_it_is_under_the_name_it_was_given(parts: Parts):
    (image,) = (await parts.submitted(sent(a_png(), "photo.jpg"))).images
    assert image.original is not None
    assert (image.original.media_type, image.original_filename) == ("image/png", "photo.jpg")


async def test_images_without_a_name_are_called_by_their_url_or_their_index(parts: Parts):
    job = await parts.submitted(Linked("https://example.com/a/cat%20one.jpg?x=1"), sent(a_jpeg(), None))
    assert [image.original_filename for image in job.images] == ["cat one.jpg", "image-1"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"hello, I am a text", "not_an_image"),
        (b"", "not_an_image"),
        (b"GIF89a" + bytes(100), "unsupported_type"),
        (a_truncated_jpeg(), "damaged"),
        (padded(a_jpeg(), 10 * 1024 * 1024 + 1), "too_large"),
    ],
)
async def test_bad_content_fails_that_image_and_the_others_go_on(parts: Parts, content, code):
    job = await parts.submitted(sent(content), sent(a_jpeg()))
    bad, good = job.images
    assert (bad.status, bad.failure and bad.failure.code) == (Status.FAILED, code)
    assert good.status is Status.PENDING
    assert good.original is not None
    assert parts.files() == [f"original/{good.original.key}"]


async def test_an_image_that_is_too_large_is_told_the_bound(parts: Parts):
    (bad,) = (await parts.submitted(sent(padded(a_jpeg(), 10 * 1024 * 1024 + 1)))).images
    assert bad.failure is not None
    assert bad.failure.error == "The image is larger than 10485760 bytes."


async def test_an_image_of_exactly_the_bound_is_taken(parts: Parts):
    content = padded(a_jpeg(), 10 * 1024 * 1024)
    (image,) = (await parts.submitted(sent(content))).images
    assert image.original is not None
    assert image.original.size == 10 * 1024 * 1024


async def test_a_batch_of_bad_images_alone_has_failed(parts: Parts):
    job = await parts.submitted(sent(b"text"), sent(b"text"))
    assert job.status is Status.FAILED
    assert job.completed_at == parts.clock.now()


async def test_strict_refuses_the_batch_for_one_bad_image_and_keeps_nothing(parts: Parts):
    with pytest.raises(Unprocessable) as caught:
        await parts.submitted(sent(a_jpeg()), sent(b"text"), strict=True)
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/images/1", "not_an_image")]
    await nothing_is_left(parts)


@pytest.mark.parametrize("url", ["http://127.0.0.1/a.jpg", "http://2130706433/", "http://localhost/"])
async def test_strict_refuses_a_url_whose_host_is_forbidden_as_it_stands(parts: Parts, url):
    with pytest.raises(Unprocessable) as caught:
        await parts.submitted(Linked(url), strict=True)
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [
        ("/images/0/url", "download_refused")
    ]


async def test_a_shape_that_is_found_to_be_wrong_at_the_end_leaves_nothing(parts: Parts):
    async def batch():
        yield SentImage(0, bytes_of(a_jpeg()))
        raise BadInput("A batch has at most 1 images.", code="too_many_images")

    with pytest.raises(BadInput, match="at most 1 images"):
        await parts.submit(batch())
    await nothing_is_left(parts)


KEEP_TITLES = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))


async def test_options_of_a_batch_are_kept_with_its_job(tmp_path: Path):
    async with parts_in(tmp_path, metadata_options="allowed") as parts:
        job = await parts.submitted(sent(a_jpeg()), Linked("https://example.com/a.jpg"), KEEP_TITLES)
        assert job.options == KEEP_TITLES
        assert (await parts.jobs.get(job.job_id)).options == KEEP_TITLES
        assert [image.index for image in job.images] == [0, 1]


async def test_options_that_would_be_dropped_are_refused_and_what_came_before_them_is_removed(parts: Parts):
    with pytest.raises(BadInput) as caught:
        await parts.submitted(sent(a_jpeg()), KEEP_TITLES)
    assert caught.value.code == "metadata_options_refused"
    await nothing_is_left(parts)


@pytest.mark.parametrize("trouble", [TooSlow("too slow"), ConnectionResetError(), BadInput("broken")])
async def test_a_body_that_ends_badly_leaves_nothing(parts: Parts, trouble):
    async def broken():
        yield a_jpeg()[:500]
        raise trouble

    with pytest.raises(type(trouble)):
        await parts.submitted(sent(a_jpeg()), Sent(broken()))
    await nothing_is_left(parts)


async def test_a_base64_that_breaks_in_the_middle_fails_that_image(parts: Parts):
    async def broken():
        yield a_jpeg()[:500]
        raise ContentError("broken base64", code="bad_base64")

    job = await parts.submitted(Sent(broken()), sent(a_jpeg()))
    assert [image.status for image in job.images] == [Status.FAILED, Status.PENDING]


@pytest.mark.parametrize("size", [500, PIECE_BYTES], ids=["read first", "being put"])
async def test_a_cancelled_request_leaves_nothing_and_nothing_reserved(parts: Parts, size: int):
    arrived = asyncio.Event()

    async def stalled():
        yield padded(a_jpeg(), PIECE_BYTES)[:size]
        arrived.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(parts.submitted(sent(a_jpeg()), Sent(stalled())))
    await asyncio.wait_for(arrived.wait(), PATIENCE_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await nothing_is_left(parts)


async def test_a_request_that_outlived_its_reservation_is_refused(parts: Parts):
    async def slow():
        yield padded(a_jpeg(), PIECE_BYTES)
        yield b"more"
        parts.clock.turn(1_000_000)
        await parts.cleaner.run_once()

    with pytest.raises(Conflict):
        await parts.submitted(Sent(slow()))
    await nothing_is_left(parts)


async def clean_as_at_a_start(parts: Parts) -> None:
    cleaner = parts.cleaner
    await cleaner.find_leftovers_of_a_crash()
    await cleaner.run_once()


async def nothing_is_left(parts: Parts) -> None:
    """No object; and no reservation as soon as no put that was given up can arrive any more."""
    assert parts.files() == []
    assert (await parts.jobs.page(limit=10)).total == 0
    await parts.reserved.give_back()
    parts.clock.turn(LATE_S + 1)
    await parts.cleaner.run_once()
    assert await parts.jobs.overdue(parts.clock.now().replace(year=9000), limit=10) == ()


async def test_an_unknown_job_is_not_found(parts: Parts):
    with pytest.raises(JobNotFound):
        await parts.latest.get("550e8400-e29b-41d4-a716-446655440000")


async def test_many_requests_share_one_commit_of_reservations(parts: Parts):
    await parts.submitted(sent(a_jpeg()))
    reserved = await parts.jobs.overdue(parts.clock.now().replace(year=9000), limit=1000)
    for _ in range(10):
        await parts.submitted(sent(a_jpeg()), sent(a_jpeg()))
    left = await parts.jobs.overdue(parts.clock.now().replace(year=9000), limit=1000)
    assert len(reserved) > 20
    assert set(left) < set(reserved)


async def test_reservations_that_grew_too_old_for_a_request_are_not_used(parts: Parts):
    await parts.submitted(sent(a_jpeg()))
    old = set(await parts.jobs.overdue(parts.clock.now().replace(year=9000), limit=1000))
    parts.clock.turn(parts.intake.total_s + 1)
    job = await parts.submitted(sent(a_jpeg()))
    assert job.images[0].trace_id not in old

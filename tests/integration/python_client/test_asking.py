"""The Python client asks a real gateway whose jobs a test moves: jobs, images, another try, dead letters."""

from collections.abc import AsyncIterator

import attrs
import pytest

from gateway.client import GatewayClient, Refused, SentAgain, Submitted
from tests.builders import NOW, a_dead_letter
from tests.photos import a_jpeg
from tests.servers.quiet_gateway import QuietGateway


@pytest.fixture
async def client(quiet: QuietGateway) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(f"http://127.0.0.1:{quiet.port}") as client:
        yield client


async def test_images_of_all_jobs_are_found_over_all_pages(quiet, client):
    """A page has fifty."""
    job = await quiet.accept(images=60)
    for index in range(60):
        await quiet.complete(job.job_id, index)
    other = await quiet.accept(images=1)
    all_of_them = [(image.job_id, image.index) async for image in client.images()]
    assert all_of_them == [(other.job_id, 0), *((job.job_id, index) for index in reversed(range(60)))]
    for asked in ({"keyword": "BOAT"}, {"keyword": ["boat", "dawn"]}, {"status": "completed"}):
        assert [image.job_id async for image in client.images(**asked)] == [job.job_id] * 60
    assert [image async for image in client.images(keyword=["boat", "train"])] == []


async def test_how_a_job_went_and_when_is_told_by_status_list_and_last_event(quiet, client):
    job = await quiet.accept(images=2)
    await quiet.publish(job.job_id, 0)
    await quiet.complete(job.job_id, 0)
    assert (await client.status(job.job_id)).outcome == ""
    await quiet.fail(job.job_id, 1)
    shown = await client.status(job.job_id)
    (listed,) = [each async for each in client.jobs()]
    *_, last = [event async for event in client.follow(job.job_id)]
    assert shown.outcome == listed.outcome == last.outcome == "partial"
    assert shown.started_at == listed.started_at == shown.images[0].start_time is not None


class TestRetry:
    @pytest.fixture
    async def job_id(self, quiet, client):
        """Of a job of three images, all of which failed."""
        job_id = (await client.submit([(f"{name}.jpg", a_jpeg()) for name in "abc"])).job_id
        for index in range(3):
            await quiet.fail(job_id, index)
        return job_id

    async def test_all_failed_images_are_tried_again_or_those_of_these_indices(self, client, job_id):
        for indices, names in ((None, ["a.jpg", "b.jpg", "c.jpg"]), ([2, 0], ["c.jpg", "a.jpg"])):
            retried = await client.retry(job_id, indices)
            job = await client.status(retried.job_id)
            assert [image.original_filename for image in job.images] == names
            assert retried.retry_of == job.retry_of == job_id

    async def test_no_indices_at_all_are_not_taken_for_all(self, client, job_id):
        with pytest.raises(Refused) as refused:
            await client.retry(job_id, [])
        assert refused.value.code == "no_images"

    async def test_calls_with_one_key_make_one_job(self, client, job_id):
        assert await client.retry(job_id, key="k") == await client.retry(job_id, key="k")
        assert len([job async for job in client.jobs()]) == 2

    async def test_what_can_not_be_tried_again_is_refused(self, client, job_id):
        with pytest.raises(Refused, match="image 0: it has not failed, but is pending"):
            await client.retry((await client.retry(job_id)).job_id, [0])


class TestDeadLetters:
    async def test_they_come_with_all_that_is_known_over_all_pages(self, quiet, client):
        job = await quiet.accept(images=60)
        for image in job.images:
            await quiet.context.dead_letters.keep_letter(a_dead_letter(job, image.index))
        letters = [letter async for letter in client.dead_letters()]
        assert [letter.index for letter in letters] == list(reversed(range(60)))
        assert attrs.asdict(letters[-1]) == {
            "id": job.images[0].trace_id,
            "job_id": job.job_id,
            "index": 0,
            "trace_id": job.images[0].trace_id,
            "attempt": 1,
            "queue": "image_upload",
            "reason": "It could not be decoded: „groß“.",
            "code": "analysis_failed",
            "count": 1,
            "at": NOW,
            "body": {"trace_id": job.images[0].trace_id, "original_filename": "Übersee.jpg"},
        }

    async def test_an_open_image_gets_another_attempt(self, quiet, client):
        job = await quiet.accept(images=1)
        await quiet.publish(job.job_id, 0)
        await quiet.context.dead_letters.keep_letter(a_dead_letter(job))
        again = await client.requeue(job.images[0].trace_id)
        assert again == SentAgain(job_id=job.job_id, index=0, trace_id=job.images[0].trace_id, attempt=2)
        with pytest.raises(Refused) as refused:
            await client.requeue(job.images[0].trace_id)
        assert refused.value.code == "dead_letter_not_found"

    async def test_a_failed_image_gets_a_new_job(self, quiet, client):
        job_id = (await client.submit([("a.jpg", a_jpeg())])).job_id
        job = await quiet.fail(job_id, 0)
        await quiet.context.dead_letters.keep_letter(a_dead_letter(job))
        again = await client.requeue(job.images[0].trace_id)
        assert isinstance(again, Submitted)
        assert again.retry_of == job_id

    async def test_one_or_all_are_deleted(self, quiet, client):
        letters = [a_dead_letter() for _ in range(3)]
        for letter in letters:
            await quiet.context.dead_letters.keep_letter(letter)
        await client.delete_dead_letter(letters[0].dead_letter_id)
        with pytest.raises(Refused):
            await client.delete_dead_letter(letters[0].dead_letter_id)
        assert await client.delete_dead_letters() == 2
        assert [letter async for letter in client.dead_letters()] == []

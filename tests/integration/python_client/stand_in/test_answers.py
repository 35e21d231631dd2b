"""What the Python client makes of the answers about jobs and images, and of a refusal."""

import pytest

from gateway.client import Metadata, Refused
from gateway.client.answers import read_metadata


async def test_a_status_is_typed(client):
    job = await client.status((await client.submit([("a.jpg", b"a"), ("bad.jpg", b"b")])).job_id)
    good, bad = job.images
    assert (job.total_images, job.completed, job.failed, job.is_final) == (2, 1, 1, True)
    assert good.metadata == Metadata("Title of a.jpg", "", ("one", "two"))
    assert (bad.status, bad.code, bad.error) == ("failed", "not_an_image", "This is not an image.")


def test_who_described_an_image_is_told_where_it_is_known():
    known, unknown = read_metadata({"title": "A", "writer": "local/facts"}), read_metadata({"title": "A"})
    assert (known.writer, unknown.writer) == ("local/facts", "")


async def test_all_jobs_are_listed_over_all_pages(client):
    ids = [(await client.submit([("a.jpg", b"a")])).job_id for _ in range(3)]
    assert [job.job_id async for job in client.jobs()] == list(reversed(ids))


async def test_one_image_is_asked_for_by_its_index(client):
    job_id = (await client.submit([("a.jpg", b"a"), ("b.jpg", b"b")])).job_id
    assert (await client.image(job_id, 1)).original_filename == "b.jpg"


async def test_a_refusal_carries_the_text_of_the_problem(client):
    with pytest.raises(Refused, match="There is no such job") as caught:
        await client.status("absent")
    assert (caught.value.status, caught.value.code) == (404, "job_not_found")

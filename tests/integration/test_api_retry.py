"""Failed images by HTTP: which are tried again, how that is answered, and how it is refused."""

from pathlib import Path
from typing import Any

import pytest
from attrs import define

from tests.photos import a_jpeg, a_png
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.submitting import Fields, job_of, submit_files

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"
JSON = {"Content-Type": "application/json"}


@define(eq=False)
class Failed:
    """A job whose images have failed, all but the last one, which is open."""

    quiet: QuietGateway
    job_id: str

    @property
    def address(self) -> str:
        return f"/api/v1/batch/{self.job_id}/retry"

    async def retry(self, status: int = 201, **body: Any) -> Fields:
        async with self.quiet.http.post(self.address, **body) as answer:
            assert answer.status == status, await answer.text()
            return dict(await answer.json())

    async def status(self) -> Fields:
        return await job_of(self.quiet.http, "", self.job_id)


@pytest.fixture
async def failed(quiet: QuietGateway) -> Failed:
    files = [("a.jpg", a_jpeg()), ("b.png", a_png()), ("c.jpg", b"text"), ("d.jpg", a_jpeg())]
    job_id = await submit_files(quiet.http, "", files)
    for index in (0, 1):
        await quiet.fail(job_id, index)
    return Failed(quiet, job_id)


async def test_it_is_answered_as_a_new_batch_with_the_job_that_is_tried_again(failed: Failed) -> None:
    async with failed.quiet.http.post(failed.address, json={"images": [1]}) as answer:
        assert answer.status == 201
        told = await answer.json()
        assert answer.headers["Location"] == f"/api/v1/batch/{told['job_id']}"
    assert list(told) == ["job_id", "status", "created_at", "message", "retry_of"]
    assert told["message"] == "Batch job created with 1 image"
    assert (told["status"], told["retry_of"]) == ("pending", failed.job_id)


async def test_its_status_and_the_list_tell_which_job_it_tries_again(failed: Failed) -> None:
    told = await failed.retry()
    shown = await job_of(failed.quiet.http, "", told["job_id"])
    assert shown["retry_of"] == failed.job_id
    async with failed.quiet.http.get("/api/v1/batch") as answer:
        listed = (await answer.json())["jobs"]
    assert [job.get("retry_of") for job in listed] == [failed.job_id, None]


async def test_its_images_come_in_the_order_of_the_request(failed: Failed) -> None:
    told = await failed.retry(json={"images": [1, 0]})
    shown = await job_of(failed.quiet.http, "", told["job_id"])
    assert [(image["index"], image["original_filename"]) for image in shown["images"]] == [
        (0, "b.png"),
        (1, "a.jpg"),
    ]


@pytest.mark.parametrize(
    "body",
    [{}, {"json": {}}, {"data": b""}, {"data": b"", "headers": JSON}],
    ids=["no body", "{}", "empty", "empty JSON"],
)
async def test_without_indices_all_that_can_be_tried_again_are(failed: Failed, body: Any) -> None:
    told = await failed.retry(**body)
    shown = await job_of(failed.quiet.http, "", told["job_id"])
    assert [image["original_filename"] for image in shown["images"]] == ["a.jpg", "b.png"]


async def test_the_original_of_a_retry_is_the_one_that_was_sent(failed: Failed) -> None:
    told = await failed.retry(json={"images": [1]})
    url = f"/api/v1/batch/{told['job_id']}/images/0/original"
    async with failed.quiet.http.get(url) as answer:
        assert await answer.read() == a_png()


async def test_the_old_job_stays_as_it_is(failed: Failed) -> None:
    before = await failed.status()
    await failed.retry()
    assert await failed.status() == before


async def test_the_same_images_may_be_tried_again_any_number_of_times(failed: Failed) -> None:
    told = [await failed.retry() for _ in range(3)]
    assert len({each["job_id"] for each in told}) == 3


# Refused


@pytest.mark.parametrize(
    ("said", "status", "code", "pointers"),
    [
        ({"images": [0, 3]}, 409, "not_failed", ["/images/1"]),
        ({"images": [2]}, 409, "original_not_kept", ["/images/0"]),
        ({"images": [4, -1]}, 400, "bad_index", ["/images/0", "/images/1"]),
        ({"images": [0, 0]}, 400, "index_twice", ["/images/1"]),
        ({"images": []}, 400, "no_images", ["/images"]),
        ({"images": ["0"]}, 400, "wrong_type", ["/images/0"]),
        ({"image": [0]}, 400, "unknown_field", ["/image"]),
        ([0], 400, "wrong_type", [""]),
    ],
    ids=str,
)
async def test_what_can_not_be_tried_again_is_told_with_its_place(
    failed: Failed, said, status, code, pointers
):
    problem = await failed.retry(status, json=said)
    assert problem["code"] == code
    assert [fault["pointer"] for fault in problem["errors"]] == pointers


async def test_where_all_is_well_there_is_nothing_to_retry(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    await quiet.complete(job.job_id, 0)
    problem = await Failed(quiet, job.job_id).retry(409)
    assert (problem["code"], "errors" in problem) == ("nothing_to_retry", False)


async def test_an_original_that_vanished_is_told(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)  # without objects
    await quiet.fail(job.job_id, 0)
    problem = await Failed(quiet, job.job_id).retry(409)
    assert problem["code"] == "original_gone"
    assert problem["detail"] == (
        "1 of 1 images can't be tried again; the first: image 0: its original is gone from the object store."
    )


@pytest.mark.parametrize("job_id", [UNKNOWN, "nobody", UNKNOWN.upper()])
async def test_an_unknown_job_is_not_found(quiet: QuietGateway, job_id: str) -> None:
    problem = await Failed(quiet, job_id).retry(404)
    assert problem["code"] == "job_not_found"


async def test_a_retired_job_is_refused(failed: Failed) -> None:
    await failed.quiet.context.job_store.retire(failed.job_id)
    assert (await failed.retry(409))["code"] == "job_retired"


@pytest.mark.parametrize("query", ["?images=0", "?index=0", "?x"])
async def test_images_that_are_named_in_the_address_are_not_mistaken_for_none(
    failed: Failed, query: str
) -> None:
    async with failed.quiet.http.post(f"{failed.address}{query}") as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "unknown_parameter")


async def test_a_body_of_another_media_type_is_refused(failed: Failed) -> None:
    problem = await failed.retry(415, data='{"images": [0]}', headers={"Content-Type": "text/plain"})
    assert problem["code"] == "unsupported_media_type"


async def test_a_body_beyond_all_measure_is_refused(failed: Failed) -> None:
    problem = await failed.retry(413, data=b" " * 100_000, headers=JSON)
    assert problem["code"] == "too_large"


async def test_a_gateway_that_stops_takes_none(failed: Failed) -> None:
    failed.quiet.context.background.ask_to_stop()
    assert (await failed.retry(503))["code"] == "stopping"


async def test_only_a_post_tries_again(failed: Failed) -> None:
    async with failed.quiet.http.get(failed.address) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


# With an idempotency key


async def test_a_repeat_with_its_key_gets_the_same_job(failed: Failed) -> None:
    key = {"Idempotency-Key": "a key"}
    first = await failed.retry(json={"images": [0]}, headers=key)
    async with failed.quiet.http.post(failed.address, json={"images": [0]}, headers=key) as answer:
        assert (answer.status, answer.headers["Idempotent-Replayed"]) == (201, "true")
        assert answer.headers["Location"] == f"/api/v1/batch/{first['job_id']}"
        assert await answer.json() == first
    assert await number_of_jobs(failed.quiet) == 2


async def test_a_key_is_good_for_the_same_images_of_the_same_job_alone(failed: Failed) -> None:
    key = {"Idempotency-Key": "a key"}
    await failed.retry(json={"images": [0]}, headers=key)
    for body in ({"json": {"images": [1]}}, {}):
        problem = await failed.retry(422, headers=key, **body)
        assert problem["code"] == "idempotency_key_reused"
    other = await failed.quiet.accept(images=1)
    problem = await Failed(failed.quiet, other.job_id).retry(422, json={"images": [0]}, headers=key)
    assert problem["code"] == "idempotency_key_reused"


async def test_a_retry_that_was_refused_leaves_its_key_free(failed: Failed) -> None:
    key = {"Idempotency-Key": "a key"}
    await failed.retry(409, json={"images": [3]}, headers=key)
    await failed.retry(json={"images": [0]}, headers=key)


async def test_a_repeat_is_answered_though_the_images_could_not_be_tried_again_any_more(
    failed: Failed,
) -> None:
    key = {"Idempotency-Key": "a key"}
    first = await failed.retry(headers=key)
    await failed.quiet.context.job_store.delete(failed.job_id)
    assert await failed.retry(headers=key) == first


async def number_of_jobs(quiet: QuietGateway) -> int:
    async with quiet.http.get("/api/v1/batch") as answer:
        return int((await answer.json())["total"])


async def test_a_retry_survives_a_restart(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path) as quiet:
        job_id = await submit_files(quiet.http, "", [("a.jpg", a_jpeg())])
        await quiet.fail(job_id, 0)
        told = await Failed(quiet, job_id).retry()
    async with quiet_gateway(tmp_path) as quiet:
        shown = await job_of(quiet.http, "", told["job_id"])
        assert (shown["retry_of"], shown["status"]) == (job_id, "pending")

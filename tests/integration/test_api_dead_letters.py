"""Dead letters by HTTP: listed, sent again, deleted."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.domain import transitions
from gateway.domain.dead_letter import DeadLetter
from gateway.domain.job import Job, Stage
from tests import builders
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway

LETTERS = "/api/v1/dead-letters"
UNKNOWN = "b-00000000-0000-4000-8000-000000000000"


async def ask(
    quiet: QuietGateway, method: str, path: str, *, status: int, query: Mapping[str, str] | None = None
) -> Any:
    """The JSON of an answer with that status."""
    async with quiet.http.request(method, path, params=query) as answer:
        assert answer.status == status
        return await answer.json(content_type=None) if await answer.read() else None


async def keep(quiet: QuietGateway, letter: DeadLetter) -> str:
    await quiet.context.dead_letters.keep_letter(letter)
    return letter.dead_letter_id


async def rejected(quiet: QuietGateway) -> tuple[Job, str]:
    """A job whose image was rejected once, and its letter."""
    job = await quiet.accept(images=1)
    return job, await keep(quiet, builders.a_dead_letter(job))


async def failed(quiet: QuietGateway) -> tuple[Job, str]:
    """A job that was really sent, and whose image has failed."""
    async with quiet.http.post(
        "/api/v1/batch", data=plain("JPEG"), headers={"Content-Type": "image/jpeg"}
    ) as answer:
        job = await quiet.fail((await answer.json())["job_id"], 0)
    return job, await keep(quiet, builders.a_dead_letter(job))


async def listed(quiet: QuietGateway) -> list[str]:
    return [letter["id"] for letter in (await ask(quiet, "GET", LETTERS, status=200))["dead_letters"]]


class TestList:
    async def test_a_letter_is_shown_with_all_that_is_known(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=2)
        letter = builders.a_dead_letter(job, 1, count=2)
        await keep(quiet, letter)
        page = await ask(quiet, "GET", LETTERS, status=200)
        trace_id = job.images[1].trace_id
        assert page == {
            "dead_letters": [
                {
                    "id": trace_id,
                    "job_id": job.job_id,
                    "index": 1,
                    "trace_id": trace_id,
                    "attempt": 1,
                    "queue": "image_upload",
                    "reason": "It could not be decoded: „groß“.",
                    "code": "analysis_failed",
                    "count": 2,
                    "at": "2025-11-18T10:30:00Z",
                    "body": {"trace_id": trace_id, "original_filename": "Übersee.jpg"},
                }
            ],
            "total": 1,
        }

    async def test_of_a_job_that_is_gone_there_is_no_index(self, quiet: QuietGateway) -> None:
        await keep(quiet, builders.a_dead_letter())
        (letter,) = (await ask(quiet, "GET", LETTERS, status=200))["dead_letters"]
        assert "index" not in letter

    async def test_without_any_the_list_is_empty(self, quiet: QuietGateway) -> None:
        assert await ask(quiet, "GET", LETTERS, status=200) == {"dead_letters": [], "total": 0}

    async def test_pages_lead_from_the_newest_to_the_oldest(self, quiet: QuietGateway) -> None:
        kept = [await keep(quiet, builders.a_dead_letter()) for _ in range(5)]
        seen, query = [], {"limit": "2"}
        while True:
            page = await ask(quiet, "GET", LETTERS, status=200, query=query)
            assert page["total"] == 5
            seen += [letter["id"] for letter in page["dead_letters"]]
            if "next_cursor" not in page:
                break
            query["cursor"] = page["next_cursor"]
        assert seen == kept[::-1]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ({"limit": "0"}, "bad_parameter"),
            ({"limit": "501"}, "bad_parameter"),
            ({"cursor": "x"}, "bad_cursor"),
            ({"limits": "5"}, "unknown_parameter"),
        ],
    )
    async def test_a_parameter_that_is_not_understood_is_refused(
        self, quiet: QuietGateway, query: Mapping[str, str], code: str
    ) -> None:
        assert (await ask(quiet, "GET", LETTERS, status=400, query=query))["code"] == code


class TestRequeue:
    async def test_an_open_image_gets_another_attempt(self, quiet: QuietGateway) -> None:
        job, letter = await rejected(quiet)
        await quiet.publish(job.job_id, 0)
        assert await ask(quiet, "POST", f"{LETTERS}/{letter}/requeue", status=202) == {
            "job_id": job.job_id,
            "index": 0,
            "trace_id": job.images[0].trace_id,
            "attempt": 2,
        }
        (image,) = (await quiet.context.job_store.get(job.job_id)).images
        assert (image.attempt, image.stage) == (2, Stage.PUBLISH)

    async def test_a_failed_image_gets_a_new_job(self, quiet: QuietGateway) -> None:
        job, letter = await failed(quiet)
        async with quiet.http.post(f"{LETTERS}/{letter}/requeue") as answer:
            assert answer.status == 201
            created = await answer.json()
            shown = await ask(quiet, "GET", answer.headers["Location"], status=200)
        assert created["retry_of"] == job.job_id
        assert (shown["job_id"], shown["retry_of"]) == (created["job_id"], job.job_id)
        original = job.images[0].original
        assert original is not None
        assert shown["images"][0]["sha256"] == original.sha256

    async def test_a_letter_is_good_for_one_attempt(self, quiet: QuietGateway) -> None:
        _, letter = await rejected(quiet)
        await ask(quiet, "POST", f"{LETTERS}/{letter}/requeue", status=202)
        assert await listed(quiet) == []
        problem = await ask(quiet, "POST", f"{LETTERS}/{letter}/requeue", status=404)
        assert problem["code"] == "dead_letter_not_found"

    async def test_of_an_image_that_was_completed_meanwhile_it_is_refused(self, quiet: QuietGateway) -> None:
        job, letter = await rejected(quiet)
        await quiet.complete(job.job_id, 0)
        problem = await ask(quiet, "POST", f"{LETTERS}/{letter}/requeue", status=409)
        assert problem["code"] == "image_ended"
        assert "Image 0 is completed" in problem["detail"]
        assert await listed(quiet) == [letter]

    async def test_of_an_image_that_was_cancelled_meanwhile_it_is_refused(self, quiet: QuietGateway) -> None:
        job, letter = await rejected(quiet)
        await quiet.change(job.job_id, lambda job: transitions.cancel(job, builders.NOW))
        problem = await ask(quiet, "POST", f"{LETTERS}/{letter}/requeue", status=409)
        assert problem["code"] == "image_ended"

    async def test_of_a_job_that_is_gone_it_is_refused(self, quiet: QuietGateway) -> None:
        letter = await keep(quiet, builders.a_dead_letter())
        problem = await ask(quiet, "POST", f"{LETTERS}/{letter}/requeue", status=409)
        assert problem["code"] == "job_gone"

    @pytest.mark.parametrize("name", [UNKNOWN, "%2e%2e", "x%00y", "%F0%9F%90%88"])
    async def test_one_that_nobody_has_is_not_found(self, quiet: QuietGateway, name: str) -> None:
        problem = await ask(quiet, "POST", f"{LETTERS}/{name}/requeue", status=404)
        assert problem["code"] in ("dead_letter_not_found", "not_found")

    async def test_a_gateway_that_is_stopping_takes_no_further_work(self, quiet: QuietGateway) -> None:
        _, letter = await rejected(quiet)
        quiet.context.background.ask_to_stop()
        problem = await ask(quiet, "POST", f"{LETTERS}/{letter}/requeue", status=503)
        assert problem["code"] == "stopping"
        assert await listed(quiet) == [letter]


class TestDelete:
    async def test_one_is_deleted_and_its_image_goes_on(self, quiet: QuietGateway) -> None:
        (job, first), (_, second) = await rejected(quiet), await rejected(quiet)
        async with quiet.http.delete(f"{LETTERS}/{first}") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        assert await listed(quiet) == [second]
        assert await quiet.context.job_store.get(job.job_id) == job

    async def test_one_that_is_gone_can_not_be_deleted_again(self, quiet: QuietGateway) -> None:
        _, letter = await rejected(quiet)
        await ask(quiet, "DELETE", f"{LETTERS}/{letter}", status=204)
        problem = await ask(quiet, "DELETE", f"{LETTERS}/{letter}", status=404)
        assert problem["code"] == "dead_letter_not_found"

    async def test_all_are_deleted_and_counted(self, quiet: QuietGateway) -> None:
        for _ in range(3):
            await rejected(quiet)
        assert await ask(quiet, "DELETE", LETTERS, status=200) == {"deleted": 3}
        assert await listed(quiet) == []
        assert await ask(quiet, "DELETE", LETTERS, status=200) == {"deleted": 0}

    async def test_who_means_some_of_them_does_not_delete_all(self, quiet: QuietGateway) -> None:
        _, letter = await rejected(quiet)
        problem = await ask(quiet, "DELETE", LETTERS, status=400, query={"job_id": "x"})
        assert problem["code"] == "unknown_parameter"
        assert "There is no parameter 'job_id' here; there are none." in problem["detail"]
        assert await listed(quiet) == [letter]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", LETTERS, "DELETE,GET,HEAD"),
        ("GET", f"{LETTERS}/{UNKNOWN}", "DELETE"),
        ("GET", f"{LETTERS}/{UNKNOWN}/requeue", "POST"),
    ],
)
async def test_what_an_address_does_not_take_is_refused(
    quiet: QuietGateway, method: str, path: str, allowed: str
) -> None:
    async with quiet.http.request(method, path) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)

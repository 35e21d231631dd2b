"""The JavaScript client has failed images of a job tried again."""

from typing import Any, Final

import pytest

from tests.integration.javascript_client.following import UNKNOWN
from tests.photos import a_jpeg
from tests.servers.browser import Page
from tests.servers.quiet_gateway import QuietGateway
from tests.servers.scripted_doors import Refusal, Taken, scripted_doors
from tests.submitting import job_of, submit_files

pytestmark = pytest.mark.asyncio(loop_scope="package")

RETRY: Final = """
const {{ BatchClient }} = await import("{base_url}/static/batch.js");
const waits = [];
const onWait = (reason, pauseS) => waits.push(reason.code);
let job, error;
try {{
  job = await new BatchClient().retry("{job_id}", {{ onWait, {options} }});
}} catch ({{ name, status, code, errors, message }}) {{
  error = {{ name, status, code, errors, message }};
}}
console.log({{ job, error, waits }});
"""


async def retried(page: Page, base_url: str, job_id: str, options: str = "") -> dict[str, Any]:
    """The new job or the error, and why it waited between."""
    (told,) = await page.run(RETRY.format(base_url=base_url, job_id=job_id, options=options))
    outcome: dict[str, Any] = told
    return outcome


def address(gateway: QuietGateway) -> str:
    return f"http://127.0.0.1:{gateway.port}"


async def a_failed_job(gateway: QuietGateway) -> str:
    """Of two images that failed and one that is open."""
    job_id = await submit_files(gateway.http, "", [(f"{name}.jpg", a_jpeg()) for name in "abc"])
    for index in (0, 1):
        await gateway.fail(job_id, index)
    return job_id


async def names_in(gateway: QuietGateway, told: dict[str, Any]) -> list[str]:
    assert "error" not in told
    job = await job_of(gateway.http, "", told["job"]["job_id"])
    return [image["original_filename"] for image in job["images"]]


async def test_all_that_failed_are_a_new_job(page: Page, quiet: QuietGateway) -> None:
    job_id = await a_failed_job(quiet)
    told = await retried(page, address(quiet), job_id)
    assert told["job"]["retry_of"] == job_id
    assert await names_in(quiet, told) == ["a.jpg", "b.jpg"]


async def test_those_that_are_named_are_a_new_job(page: Page, quiet: QuietGateway) -> None:
    told = await retried(page, address(quiet), await a_failed_job(quiet), "indices: new Set([1])")
    assert await names_in(quiet, told) == ["b.jpg"]


async def test_a_refusal_tells_each_fault(page: Page, quiet: QuietGateway) -> None:
    error = (await retried(page, address(quiet), await a_failed_job(quiet), "indices: [0, 2]"))["error"]
    assert (error["name"], error["status"], error["code"]) == ("Refused", 409, "not_failed")
    assert [fault["pointer"] for fault in error["errors"]] == ["/images/1"]
    assert error["message"].startswith("1 of 2 images can't be tried again")


@pytest.mark.parametrize("job_id", [UNKNOWN, "a/b?c#d"])
async def test_of_no_job_nothing_is_tried_again(page: Page, quiet: QuietGateway, job_id: str) -> None:
    error = (await retried(page, address(quiet), job_id))["error"]
    assert (error["name"], error["status"], error["code"]) == ("Refused", 404, "job_not_found")


async def test_one_key_makes_one_job(page: Page, quiet: QuietGateway) -> None:
    job_id = await a_failed_job(quiet)
    first, second = [await retried(page, address(quiet), job_id, "idempotencyKey: 'mine'") for _ in range(2)]
    assert first["job"] == second["job"]


async def test_it_is_sent_again_under_the_same_key(page: Page) -> None:
    answers: list[Refusal | Taken] = [Refusal(503, "busy"), Taken("new", is_lost=True), Taken("new")]
    async with scripted_doors(answers=answers) as gateway:
        told = await retried(page, gateway.base_url, "old")
    assert (told["job"]["job_id"], told["waits"][0]) == ("new", "busy")
    assert (len(gateway.keys), len(set(gateway.keys))) == (3, 1)

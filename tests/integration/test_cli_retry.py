"""`gateway retry`: failed images of a job are tried again, followed and reported as those of a submission."""

import asyncio
import os

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import define

from tests.commands import Ended, run
from tests.free_ports import free_port
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg
from tests.servers.quiet_gateway import QuietGateway
from tests.servers.stand_in_gateway import problem
from tests.submitting import submit_files


@define(eq=False)
class Failed:
    """A job of two images that failed, and one that is open."""

    quiet: QuietGateway
    job_id: str

    async def retry(self, *args: object) -> Ended:
        return await run("retry", self.job_id, *args, "--gateway", f"http://127.0.0.1:{self.quiet.port}")

    async def retried(self) -> str:
        """The new job, once there is one."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                page = await self.quiet.context.job_store.page(limit=1)
                if page.jobs[0].retry_of == self.job_id:
                    return page.jobs[0].job_id
                await asyncio.sleep(0.02)


@pytest.fixture
async def failed(quiet: QuietGateway) -> Failed:
    job_id = await submit_files(quiet.http, "", [(f"{name}.jpg", a_jpeg()) for name in "abc"])
    for index in (0, 1):
        await quiet.fail(job_id, index)
    return Failed(quiet, job_id)


async def test_all_that_failed_are_tried_again_and_followed_to_their_end(failed: Failed) -> None:
    running = asyncio.create_task(failed.retry())
    job_id = await failed.retried()
    await failed.quiet.complete(job_id, 0)
    await failed.quiet.fail(job_id, 1)
    ended = await running
    assert (ended.code, ended.lines[0]) == (1, f"job {job_id}: 2 images accepted")
    assert sorted(line.partition("] ")[2] for line in ended.lines[1:3]) == [
        "a.jpg Harbour",
        "b.jpg failed: The analyzer could not read it. (analysis_failed)",
    ]
    address = f"http://127.0.0.1:{failed.quiet.port}/batches/{job_id}"
    assert ended.lines[-1] == f"1 of 2 tagged; see {address}"
    assert ended.err.splitlines()[0] == "1 failed:"


async def test_indices_say_which_and_nobody_has_to_follow(failed: Failed) -> None:
    ended = await failed.retry(1, 0, "--no-follow")
    assert (ended.code, ended.err) == (0, "")
    job = await failed.quiet.context.job_store.get(await failed.retried())
    assert [image.original_filename for image in job.images] == ["b.jpg", "a.jpg"]
    assert ended.lines[-1].startswith("2 images tried again; see ")


async def test_what_can_not_be_tried_again_is_one_line_and_code_1(failed: Failed) -> None:
    ended = await failed.retry(2)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "gateway: 1 of 1 images can't be tried again; the first: image 2: it has not failed, but is pending.\n"
    )


async def test_a_gateway_that_can_not_do_it_now_is_waited_for_and_why_is_told_once() -> None:
    away = {"Retry-After": "0"}
    answers = [problem(503, "The object storage does not answer.", "unavailable", away) for _ in range(2)]
    answers.append(problem(404, "There is no such job.", "job_not_found"))

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def retry(_: web.Request) -> web.Response:
        return answers.pop(0)

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.post("/api/v1/batch/job/retry", retry)])
    async with TestServer(application, port=free_port()) as server:
        ended = await run("retry", "job", "--gateway", str(server.make_url("/")))
    assert ended.lines == ["gateway busy, waiting: The object storage does not answer."]
    assert (ended.code, ended.err) == (1, "gateway: There is no such job.\n")


async def test_an_unknown_job_is_one_line_and_code_1(quiet: QuietGateway) -> None:
    ended = await Failed(quiet, "nobody").retry()
    assert (ended.code, ended.err) == (1, "gateway: There is no such job.\n")


@pytest.mark.parametrize("args", [(), ("job", "first"), ("job", "-1"), ("job", "--output", "x")])
async def test_a_wrong_call_is_code_2(args: tuple[str, ...]) -> None:
    ended = await run("retry", *args)
    assert (ended.code, ended.out) == (2, "")


async def test_no_gateway_at_the_address_is_one_line_and_code_2() -> None:
    ended = await run("retry", "job", "--gateway", f"http://127.0.0.1:{free_port()}")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count(os.linesep) == 1

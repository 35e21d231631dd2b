"""`gateway images`: what a gateway keeps, found by keyword and status, for people and for programs."""

import asyncio
import json
import os

import pytest

from gateway.cli import STATUSES
from gateway.domain.job import Job, Status
from tests.builders import an_image
from tests.commands import Ended, run, start
from tests.free_ports import free_port
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway


async def images(quiet: QuietGateway, *args: str) -> Ended:
    return await run("images", "--gateway", f"http://127.0.0.1:{quiet.port}", *args)


@pytest.fixture
async def jobs(quiet: QuietGateway) -> tuple[Job, Job]:
    """In the first one a boat and an image that failed; in the second one another boat, and one open."""
    first, second = await quiet.accept(images=2), await quiet.accept(images=2)
    await quiet.complete(first.job_id, 0)
    await quiet.fail(first.job_id, 1)
    await quiet.complete(second.job_id, 1)
    return first, second


async def test_images_with_a_keyword_are_listed_the_newest_first(
    quiet: QuietGateway, jobs: tuple[Job, Job]
) -> None:
    first, second = jobs
    ended = await images(quiet, "--keyword", "BOAT")
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines == [
        f"photo2.jpg\t{second.job_id}/images/1\tboat, dawn, Übersee",
        f"photo1.jpg\t{first.job_id}/images/0\tboat, dawn, Übersee",
    ]


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize(
    ("args", "listed"),
    [
        ((), 4),
        (("--keyword", "boat", "--keyword", "dawn"), 2),
        (("--keyword", "boat", "--keyword", "train"), 0),
        (("--status", "failed"), 1),
        (("--keyword", "boat", "--status", "completed"), 2),
    ],
)
async def test_keywords_and_status_say_which(quiet: QuietGateway, args: tuple[str, ...], listed: int) -> None:
    assert len((await images(quiet, *args)).lines) == listed


async def test_of_an_image_without_words_is_told_why_or_where_it_stands(
    quiet: QuietGateway, jobs: tuple[Job, Job]
) -> None:
    first, second = jobs
    failed, waiting = await images(quiet, "--status", "failed"), await images(quiet, "--status", "pending")
    assert failed.lines == [f"photo2.jpg\t{first.job_id}/images/1\tThe analyzer could not read it."]
    assert waiting.lines == [f"photo1.jpg\t{second.job_id}/images/0\tpending"]


@pytest.mark.usefixtures("jobs")
async def test_json_has_what_the_api_has_an_image_a_line(quiet: QuietGateway) -> None:
    async with quiet.http.get("/api/v1/images") as answer:
        told = (await answer.json())["images"]
    assert [json.loads(line) for line in (await images(quiet, "--json")).lines] == told


async def test_that_there_are_none_is_no_failure_and_no_line(quiet: QuietGateway) -> None:
    ended = await images(quiet, "--keyword", "boat")
    assert (ended.code, ended.out, ended.err) == (0, "", "no such images\n")


async def test_a_name_changes_neither_columns_nor_terminal(quiet: QuietGateway) -> None:
    await quiet.accept([an_image(original_filename="a\tb\x1b[2J\n.jpg")])
    (line,) = (await images(quiet)).lines
    assert line.split("\t")[0] == "a?b?[2J?.jpg"
    assert len(line.split("\t")) == 3


@pytest.mark.usefixtures("jobs")
async def test_a_reader_who_has_seen_enough_is_told_nothing(quiet: QuietGateway) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = await start("images", "--gateway", f"http://127.0.0.1:{quiet.port}", stdout=writer)
    os.close(writer)
    async with asyncio.timeout(PATIENCE_S):
        _, err = await process.communicate()
    assert err == b""


async def test_a_keyword_that_is_none_is_one_line(quiet: QuietGateway) -> None:
    ended = await images(quiet, "--keyword", " ")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1


async def test_no_gateway_at_the_address_is_one_line_and_code_2() -> None:
    ended = await run("images", "--gateway", f"http://127.0.0.1:{free_port()}")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("gateway: no gateway answers")
    assert "--gateway URL or GATEWAY_URL" in ended.err


def test_every_status_can_be_asked_for() -> None:
    assert set(STATUSES) == set(Status)

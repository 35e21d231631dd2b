"""Downloads after the 201, from real servers on 127.0.0.2, which the settings allow."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing

import pytest

from gateway.background import Background
from gateway.domain.job import Stage, Status
from gateway.domain.transitions import cancel
from gateway.jobs.fetching.fetcher import Fetcher
from tests.integration.jobs.batches import Linked
from tests.integration.jobs.downloads import fetched_once, fetching
from tests.integration.jobs.parts import Parts, parts_in
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg, a_png, a_truncated_jpeg
from tests.servers.web import Site, answer, image, web_server


async def test_what_a_url_gives_is_stored_and_waits_to_be_published(parts: Parts):
    async with (
        web_server({"/a.jpg": image(a_jpeg()), "/b": image(a_png())}) as site,
        fetching(parts, site) as fetcher,
    ):
        job = await parts.submitted(Linked(site.url("/a.jpg")), Linked(site.url("/b"), "b.jpg"))
        images = await fetched_once(parts, fetcher, job)
    assert [image.stage for image in images] == [Stage.PUBLISH, Stage.PUBLISH]
    assert [image.original and image.original.media_type for image in images] == ["image/jpeg", "image/png"]
    assert len(parts.files()) == 2


async def test_a_url_image_is_processing_from_its_first_try(parts: Parts):
    async with web_server({"/a.jpg": image(a_jpeg())}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/a.jpg")))
        (fetched,) = await fetched_once(parts, fetcher, job)
    assert (fetched.status, fetched.start_time) == (Status.PROCESSING, parts.clock.now())


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (answer(404), "not_found"),
        (image(b"<html></html>", "text/html"), "download_failed"),
        (image(b""), "download_failed"),
        (image(b"I am a text"), "not_an_image"),
        (image(a_truncated_jpeg()), "damaged"),
        (image(bytes(11 * 1024 * 1024)), "too_large"),
    ],
)
async def test_a_download_that_gives_no_good_image_fails_that_image_alone(parts: Parts, page, code):
    async with web_server({"/bad": page, "/good": image(a_jpeg())}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/bad")), Linked(site.url("/good")))
        bad, good = await fetched_once(parts, fetcher, job)
    assert bad.failure is not None
    assert bad.failure.code == code
    assert good.stage is Stage.PUBLISH
    assert good.original is not None
    assert parts.files() == [f"original/{good.original.key}"]


async def test_a_forbidden_address_fails_the_image_and_is_never_connected_to(parts: Parts):
    async with (
        web_server({"/a": image(a_jpeg())}, host="127.0.0.1") as forbidden,
        web_server() as site,
        fetching(parts, site, allowed_ports=(site.port, forbidden.port)) as fetcher,
    ):
        job = await parts.submitted(
            Linked(forbidden.url("/a")), Linked(forbidden.url("/a", host="localhost"))
        )
        images = await fetched_once(parts, fetcher, job)
        assert [image.failure and image.failure.code for image in images] == ["download_refused"] * 2
        assert forbidden.accepted == 0


async def test_a_failure_that_may_pass_is_tried_again_later_and_then_counts(parts: Parts):
    async with web_server({"/a": answer(503)}) as site, fetching(parts, site, tries=2) as fetcher:
        job = await parts.submitted(Linked(site.url("/a")))
        (waiting,) = await fetched_once(parts, fetcher, job)
        assert (waiting.stage, waiting.tries) == (Stage.FETCH, 1)
        await fetched_once(parts, fetcher, job)
        assert len(site.requests) == 1
        parts.clock.turn(60)
        (failed,) = await fetched_once(parts, fetcher, job)
    assert failed.failure is not None
    assert failed.failure.code == "download_failed"
    assert "503" in failed.failure.error


async def test_a_failure_that_passed_is_forgotten(parts: Parts):
    async with web_server({"/a": answer(503)}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/a")))
        await fetched_once(parts, fetcher, job)
        site.pages["/a"] = image(a_jpeg())
        parts.clock.turn(60)
        (fetched,) = await fetched_once(parts, fetcher, job)
    assert fetched.stage is Stage.PUBLISH


async def never(*_: object) -> None:
    await asyncio.Event().wait()


async def started(fetcher: Fetcher, site: Site) -> asyncio.Task[None]:
    """The fetcher at work, its download under way."""
    site.requests.clear()
    task = asyncio.create_task(fetcher.run())
    async with asyncio.timeout(PATIENCE_S):
        while not site.requests:
            await asyncio.sleep(0.01)
    return task


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait([task])


async def test_a_download_that_kills_the_process_each_time_runs_out_of_tries(tmp_path):
    """A dead process writes nothing down any more: here its job store is closed before the fetcher ends."""
    async with web_server({"/a": never}) as site:
        async with parts_in(tmp_path) as parts:
            job = await parts.submitted(Linked(site.url("/a")))
        for _ in range(3):
            async with AsyncExitStack() as stack:
                async with parts_in(tmp_path) as parts:
                    fetcher = await stack.enter_async_context(fetching(parts, site, tries=3))
                    task = await started(fetcher, site)
                await stop(task)
        async with parts_in(tmp_path) as parts, fetching(parts, site, tries=3) as fetcher:
            (image,) = await fetched_once(parts, fetcher, job)
    assert image.failure is not None
    assert image.failure.error == "the download was tried too often"


async def test_a_download_that_a_stop_cuts_off_costs_no_try(parts: Parts):
    async with web_server({"/a": never}) as site, fetching(parts, site, tries=3) as fetcher:
        job = await parts.submitted(Linked(site.url("/a")))
        for _ in range(4):
            await stop(await started(fetcher, site))
        (image,) = (await parts.jobs.get(job.job_id)).images
    assert (image.stage, image.tries) == (Stage.FETCH, 0)


async def test_a_stop_takes_no_try_back_that_failed_before_it(parts: Parts):
    async with web_server({"/a": answer(503)}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/a")))
        await fetched_once(parts, fetcher, job)
        site.pages["/a"] = never
        parts.clock.turn(60)
        await stop(await started(fetcher, site))
        (image,) = (await parts.jobs.get(job.job_id)).images
    assert image.tries == 1


async def test_a_stop_does_not_wait_for_a_job_store_that_hangs(parts: Parts):
    async with web_server({"/a": never}) as site, fetching(parts, site) as fetcher:
        await parts.submitted(Linked(site.url("/a")))
        task = await started(fetcher, site)
        with closing(sqlite3.connect(parts.folder / "jobs.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=Background().stop_timeout_s)
            other.execute("ROLLBACK")
        assert done == {task}


async def test_no_more_downloads_run_at_once_than_the_bound(parts: Parts):
    async with web_server({"/a": never}) as site, fetching(parts, site, concurrency=3) as fetcher:
        await parts.submitted(*(Linked(site.url("/a")) for _ in range(10)))
        task = asyncio.create_task(fetcher.run())
        async with asyncio.timeout(PATIENCE_S):
            while len(site.requests) < 3:
                await asyncio.sleep(0.01)
        await fetcher.run_once()
        await asyncio.sleep(0.1)
        assert site.accepted == 3
        task.cancel()
        await asyncio.wait([task])


async def test_each_place_that_is_freed_goes_to_the_next_job(parts: Parts):
    async def slow(_: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with (
        web_server({"/slow": slow, "/fast": image(a_jpeg())}) as site,
        fetching(parts, site, concurrency=2) as fetcher,
    ):
        for _ in range(2):
            await parts.submitted(*(Linked(site.url("/slow")) for _ in range(8)))
        fast = await parts.submitted(Linked(site.url("/fast")))
        task = asyncio.create_task(fetcher.run())
        async with asyncio.timeout(PATIENCE_S):
            while (await parts.jobs.get(fast.job_id)).images[0].original is None:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
    assert [request.target for request in site.requests].index("/fast") <= 4


async def test_downloads_begin_no_more_jobs_than_may_run_at_once(tmp_path):
    async with (
        parts_in(tmp_path, max_running_jobs=2) as parts,
        web_server({"/a": image(a_jpeg())}) as site,
        fetching(parts, site, concurrency=10) as fetcher,
    ):
        jobs = [await parts.submitted(*[Linked(site.url("/a"))] * 3) for _ in range(4)]
        await fetcher.run_once()
        await fetcher.run_once()
        async with asyncio.timeout(PATIENCE_S):
            await fetcher.wait_for_downloads()
        await fetched_once(parts, fetcher, jobs[0])
        statuses = [(await parts.jobs.get(job.job_id)).status for job in jobs]
        assert statuses == [Status.PROCESSING, Status.PROCESSING, Status.PENDING, Status.PENDING]
        assert len(site.requests) == 6
        await parts.ledger.change(jobs[0].job_id, lambda job: cancel(job, parts.clock.now()))
        await fetched_once(parts, fetcher, jobs[2])
        assert (await parts.jobs.get(jobs[2].job_id)).status is Status.PROCESSING
        assert (await parts.jobs.get(jobs[3].job_id)).status is Status.PENDING


async def test_while_our_store_is_down_no_site_is_asked_again_and_again(parts: Parts):
    """And when it is back, nothing rests for long."""
    async with web_server({"/a": image(a_jpeg())}) as site, fetching(parts, site) as fetcher:
        job = await parts.submitted(Linked(site.url("/a")))
        (parts.folder / "objects" / "original").rename(parts.folder / "objects" / "away")
        pauses = []
        for _ in range(6):
            asked = len(site.requests)
            while len(site.requests) == asked:
                (image_,) = await fetched_once(parts, fetcher, job)
                parts.clock.turn(1)
                pauses.append(1)
            assert (image_.stage, image_.tries) == (Stage.FETCH, 0)
        assert len(pauses) > 30
        (parts.folder / "objects" / "away").rename(parts.folder / "objects" / "original")
        parts.clock.turn(21)
        (image_,) = await fetched_once(parts, fetcher, job)
        assert image_.stage is Stage.PUBLISH

"""Whose download begins: a slow or busy host holds up its own images alone.

127.0.0.2 and 127.0.0.3 are two hosts, both allowed.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from gateway.domain.job import Job, Stage
from tests.integration.jobs.batches import Linked
from tests.integration.jobs.downloads import fetched_once, fetching
from tests.integration.jobs.parts import Parts
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg
from tests.servers.web import Page, Request, Site, answer, image, redirect, web_server


async def never(*_: object) -> None:
    await asyncio.Event().wait()


@pytest.fixture
async def slow() -> AsyncIterator[Site]:
    async with web_server({"/a": never}) as site:
        yield site


@pytest.fixture
async def fast() -> AsyncIterator[Site]:
    async with web_server({"/a": image(a_jpeg())}, host="127.0.0.3") as site:
        yield site


async def of(parts: Parts, site: Site, images: int = 1) -> Job:
    """A job of so many images of that site."""
    return await parts.submitted(*(Linked(site.url("/a")) for _ in range(images)))


def under_way() -> Counter[str]:
    """The downloads in hand, counted by job."""
    names = [task.get_name() for task in asyncio.all_tasks() if not task.done()]
    return Counter(name.split("-", 1)[1].rpartition("-")[0] for name in names if name.startswith("fetch-"))


async def stage_of(parts: Parts, job: Job, index: int = 0) -> Stage:
    return (await parts.jobs.get(job.job_id)).images[index].stage


async def until_fetched(parts: Parts, job: Job, index: int = 0) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await stage_of(parts, job, index) is Stage.FETCH:
            await asyncio.sleep(0.005)


async def cancel_downloads() -> None:
    tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("fetch-")]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_no_more_downloads_run_at_once_from_one_host_than_its_bound(parts: Parts, slow: Site):
    async with fetching(parts, slow, concurrency=5, per_host=2) as fetcher:
        await of(parts, slow, 4)
        await of(parts, slow, 4)
        for _ in range(3):
            await fetcher.run_once()
        assert under_way().total() == 2
        await cancel_downloads()


async def test_a_host_is_counted_as_one_whatever_its_spelling(parts: Parts, slow: Site):
    async with fetching(parts, slow, concurrency=5, per_host=1) as fetcher:
        await parts.submitted(Linked(slow.url("/a")), Linked(slow.url("/a", host="0x7f000002")))
        await fetcher.run_once()
        assert under_way().total() == 1
        await cancel_downloads()


async def test_a_host_at_its_bound_does_not_hold_up_images_of_others_in_the_same_job(
    parts: Parts, slow: Site, fast: Site
):
    async with fetching(parts, slow, fast, concurrency=2, per_host=1) as fetcher:
        job = await parts.submitted(*[Linked(slow.url("/a"))] * 60, Linked(fast.url("/a")))
        await fetcher.run_once()
        await until_fetched(parts, job, index=60)
        await cancel_downloads()


async def test_nor_does_it_hold_up_jobs_behind_many_of_its_own(parts: Parts, slow: Site, fast: Site):
    async with fetching(parts, slow, fast, concurrency=2, per_host=1) as fetcher:
        for _ in range(70):
            await of(parts, slow)
        last = await of(parts, fast)
        for _ in range(3):  # a look goes over a bounded number of jobs, the next one goes on behind them
            await fetcher.run_once()
        await until_fetched(parts, last)
        await cancel_downloads()


async def test_a_look_that_was_cut_goes_on_by_itself(parts: Parts, slow: Site, fast: Site):
    async with fetching(parts, slow, fast, poll_s=3600, concurrency=2, per_host=1) as fetcher:
        for _ in range(150):
            await of(parts, slow)
        last = await of(parts, fast)
        running = asyncio.create_task(fetcher.run())
        try:
            await until_fetched(parts, last)
        finally:
            running.cancel()
            await asyncio.wait([running])


async def test_jobs_of_one_host_take_turns_at_its_places(parts: Parts):
    async with (
        web_server({"/a": answer(404)}) as site,
        fetching(parts, site, concurrency=4, per_host=1) as fetcher,
    ):
        jobs = [await of(parts, site, 3) for _ in range(3)]
        served: list[str] = []
        for _ in range(6):
            await fetcher.run_once()
            served.extend(under_way())
            await fetcher.wait_for_downloads()
            await asyncio.sleep(0)
    assert served == [job.job_id for job in jobs] * 2


async def test_places_that_no_other_host_wants_stay_free(parts: Parts, slow: Site, fast: Site):
    """So that an image of another host that comes later begins at once."""
    async with fetching(parts, slow, fast, concurrency=4, per_host=3) as fetcher:
        await of(parts, slow, 10)
        await fetcher.run_once()
        assert under_way().total() == 3
        late = await of(parts, fast)
        await fetcher.run_once()
        await until_fetched(parts, late)
        await cancel_downloads()


# Hosts that ask for a pause.


def once(first: Page, then: Page) -> Page:
    """`first` to the first request, `then` to all others."""
    pages = [first]

    async def page(request: Request, writer: asyncio.StreamWriter) -> None:
        await (pages.pop() if pages else then)(request, writer)

    return page


@pytest.mark.parametrize(
    "busy", [answer(429), answer(429, {"Retry-After": "30"}), answer(503, {"Retry-After": "30"})]
)
async def test_a_host_that_asks_for_a_pause_gets_it_for_all_its_images(parts: Parts, fast: Site, busy: Page):
    async with (
        web_server({"/a": once(busy, image(a_jpeg()))}) as site,
        fetching(parts, site, fast, per_host=1) as fetcher,
    ):
        mine, others = await of(parts, site, 3), await of(parts, fast)
        await fetched_once(parts, fetcher, mine)
        await fetched_once(parts, fetcher, mine)
        assert len(site.requests) == 1
        assert await stage_of(parts, others) is Stage.PUBLISH
        parts.clock.turn(31)
        for _ in range(3):
            images = await fetched_once(parts, fetcher, mine)
    assert [image.stage for image in images] == [Stage.PUBLISH] * 3
    assert sorted(image.tries for image in images) == [1, 1, 2]


async def test_a_host_that_a_redirect_led_to_rests_and_not_the_one_that_led_there(parts: Parts, fast: Site):
    """Else who can have a popular site redirect to his own could have it rest for everybody."""
    async with (
        web_server({"/a": once(answer(429), image(a_jpeg()))}) as busy,
        fetching(parts, busy, fast, per_host=1) as fetcher,
    ):
        fast.pages["/to-busy"] = redirect(busy.url("/a"))
        await fetched_once(parts, fetcher, await parts.submitted(Linked(fast.url("/to-busy"))))
        of_busy, of_fast = await of(parts, busy), await of(parts, fast)
        await fetched_once(parts, fetcher, of_fast)
    assert await stage_of(parts, of_fast) is Stage.PUBLISH
    assert await stage_of(parts, of_busy) is Stage.FETCH
    assert len(busy.requests) == 1


async def test_an_error_without_a_pause_is_no_matter_of_the_whole_host(parts: Parts):
    async with (
        web_server({"/a": once(answer(503), image(a_jpeg()))}) as site,
        fetching(parts, site, per_host=1) as fetcher,
    ):
        job = await of(parts, site, 2)
        for _ in range(2):
            images = await fetched_once(parts, fetcher, job)
    assert [image.stage for image in images] == [Stage.FETCH, Stage.PUBLISH]


async def test_a_pause_that_a_site_asks_for_is_not_cut_short(parts: Parts):
    busy = answer(503, {"Retry-After": "200"})
    async with web_server({"/a": once(busy, image(a_jpeg()))}) as site, fetching(parts, site) as fetcher:
        job = await of(parts, site)
        await fetched_once(parts, fetcher, job)
        parts.clock.turn(199)
        await fetched_once(parts, fetcher, job)
        assert len(site.requests) == 1
        parts.clock.turn(1)
        (fetched,) = await fetched_once(parts, fetcher, job)
    assert fetched.stage is Stage.PUBLISH


async def test_a_site_that_asks_for_a_longer_pause_is_not_asked_again(parts: Parts):
    busy = answer(503, {"Retry-After": "301"})
    async with web_server({"/a": busy}) as site, fetching(parts, site) as fetcher:
        (failed,) = await fetched_once(parts, fetcher, await of(parts, site))
    assert failed.failure is not None
    assert failed.failure.code == "download_failed"
    assert failed.failure.error == f"{site.url('/a')} answered 503 and asked for a pause of 301 s"

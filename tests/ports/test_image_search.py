"""The suite of the port ImageSearch."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import transitions
from gateway.domain.events import Change
from gateway.domain.image_query import ImageQuery
from gateway.domain.job import Image, Job, Status
from gateway.metadata import Metadata
from gateway.ports.job_store import BadCursor
from tests.builders import (
    NOW,
    a_failure,
    a_refused_image,
    a_url_image,
    an_accepted_job,
    an_image,
    attempt_of,
    publish,
)
from tests.ports.job_stores import ADAPTERS, Store, add, some_jobs, started, stop

Place = tuple[str, int]
"""A job's id, and an image's index."""


def complete_with(job: Job, index: int, *keywords: str) -> Change | None:
    """The image is tagged with these keywords."""
    words = Metadata("Title", "Description", keywords)
    return transitions.attempt_completed(job, attempt_of(job, index), "a/b.jpg", words, NOW)


async def tag(store: Store, job: Job, index: int, *keywords: str) -> None:
    await store.update(job.job_id, lambda job: complete_with(job, index, *keywords))


async def fail(store: Store, job: Job, index: int) -> None:
    await store.update(job.job_id, lambda job: transitions.fail(job, index, a_failure(), NOW))


async def found(store: Store, *keywords: str, status: Status | None = None) -> list[Place]:
    page = await store.find_images(ImageQuery(keywords=keywords, status=status), limit=100)
    assert page.total == len(page.images)
    return [(hit.job_id, hit.image.index) for hit in page.images]


async def page_by_page(
    store: Store, query: ImageQuery, limit: int
) -> tuple[list[tuple[str, Image]], set[int]]:
    """What all pages show, and the totals that they tell."""
    shown, totals, cursor = [], set(), None
    while True:
        page = await store.find_images(query, limit=limit, cursor=cursor)
        assert len(page.images) <= limit
        shown += [(hit.job_id, hit.image) for hit in page.images]
        totals.add(page.total)
        cursor = page.next_cursor
        if cursor is None:
            return shown, totals


# By keyword


async def test_an_image_is_found_by_each_of_its_keywords_as_it_is_in_its_job(store: Store):
    job = await add(store, an_accepted_job(images=2))
    await tag(store, job, 1, "dog", "beach")
    for keyword in ("dog", "beach"):
        (hit,) = (await store.find_images(ImageQuery(keywords=[keyword]), limit=10)).images
        assert (hit.job_id, hit.image) == (job.job_id, (await store.get(job.job_id)).images[1])


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Dog", "dOG"),
        (" dog ", "dog"),
        ("Straße", "STRASSE"),
        ("cafe\u0301", "CAFÉ"),
        ("ÉCOLE", "e\u0301cole"),
    ],
)
async def test_a_keyword_matches_however_it_is_written(store: Store, written: str, asked: str):
    job = await add(store, an_accepted_job(images=1))
    await tag(store, job, 0, written)
    assert await found(store, asked) == [(job.job_id, 0)]


async def test_a_keyword_matches_as_a_whole(store: Store):
    job = await add(store, an_accepted_job(images=1))
    await tag(store, job, 0, "hot dog", "doghouse")
    assert await found(store, "dog") == []


async def test_several_keywords_are_all_demanded(store: Store):
    job = await add(store, an_accepted_job(images=3))
    await tag(store, job, 0, "dog", "beach", "sun")
    await tag(store, job, 1, "dog")
    await tag(store, job, 2, "beach", "sun")
    assert await found(store, "sun", "beach") == [(job.job_id, 2), (job.job_id, 0)]
    assert await found(store, "sun", "beach", "dog") == [(job.job_id, 0)]


async def test_a_keyword_that_is_there_twice_finds_its_image_once(store: Store):
    job = await add(store, an_accepted_job(images=1))
    await tag(store, job, 0, "dog", "Dog", "DOG ")
    assert await found(store, "dog") == [(job.job_id, 0)]


async def test_only_completed_images_are_found_by_a_keyword(store: Store):
    job = await add(store, an_accepted_job(images=2))
    await tag(store, job, 0, "dog")
    await fail(store, job, 1)
    assert await found(store, "dog", status=Status.COMPLETED) == [(job.job_id, 0)]
    assert await found(store, "dog", status=Status.FAILED) == []
    assert await found(store, "dog", status=Status.PENDING) == []


# By status


async def test_images_are_found_by_their_own_status_not_their_jobs(store: Store):
    job = await add(store, an_accepted_job([*map(an_image, range(4)), a_refused_image(4), a_url_image(5)]))
    await store.update(job.job_id, partial(publish, index=1))
    await tag(store, job, 2)
    at = {
        status: [index for _, index in await found(store, status=status)]
        for status in Status
        if status is not Status.CANCELLED
    }
    assert at == {
        Status.PENDING: [5, 3, 0],
        Status.PROCESSING: [1],
        Status.COMPLETED: [2],
        Status.FAILED: [4],
    }
    await store.update(job.job_id, stop)
    assert [index for _, index in await found(store, status=Status.CANCELLED)] == [5, 3, 1, 0]


async def test_an_image_whose_publish_was_forgotten_is_processing_still(store: Store):
    (job,) = await some_jobs(store, 1, images=1)
    await started(store, job)
    await store.forget_publishes()
    assert await found(store, status=Status.PROCESSING) == [(job.job_id, 0)]


async def test_without_keyword_and_status_all_images_are_listed_the_newest_first(store: Store):
    first, second = await some_jobs(store, 2, images=2)
    await tag(store, first, 0, "dog")
    assert await found(store) == [
        (second.job_id, 1),
        (second.job_id, 0),
        (first.job_id, 1),
        (first.job_id, 0),
    ]


# Pages


@pytest.mark.parametrize(
    "query", [ImageQuery(), ImageQuery(status=Status.COMPLETED), ImageQuery(keywords=["dog"])]
)
async def test_pages_together_show_every_image_once_while_others_come(store: Store, query: ImageQuery):
    for job in await some_jobs(store, 3):
        for index in range(3):
            await tag(store, job, index, "dog")
    there = set(await found(store))
    shown: list[Place] = []
    cursor = None
    while True:
        page = await store.find_images(query, limit=4, cursor=cursor)
        shown += [(hit.job_id, hit.image.index) for hit in page.images]
        cursor = page.next_cursor
        if cursor is None:
            break
        new = await add(store, an_accepted_job(images=1))
        await tag(store, new, 0, "dog")
    assert len(shown) == len(there) == 9
    assert set(shown) == there


async def test_the_last_page_of_a_search_has_no_cursor_even_when_it_is_full(store: Store):
    await some_jobs(store, 2, images=2)
    first = await store.find_images(ImageQuery(), limit=2)
    second = await store.find_images(ImageQuery(), limit=2, cursor=first.next_cursor)
    assert (len(second.images), second.next_cursor) == (2, None)


@pytest.mark.parametrize("query", [ImageQuery(), ImageQuery(keywords=["dog"], status=Status.FAILED)])
@pytest.mark.parametrize("cursor", ["", "x", "-1", "1e9", "é", "9" * 19])
async def test_a_foreign_cursor_of_a_search_is_refused(store: Store, cursor: str, query: ImageQuery):
    with pytest.raises(BadCursor):
        await store.find_images(query, limit=2, cursor=cursor)


# Over time


async def test_images_of_a_deleted_job_are_not_found(store: Store):
    kept, deleted = await some_jobs(store, 2, images=1)
    for job in (kept, deleted):
        await tag(store, job, 0, "dog")
    await store.delete(deleted.job_id)
    assert await found(store, "dog") == [(kept.job_id, 0)]
    assert await found(store) == [(kept.job_id, 0)]
    assert await found(store, status=Status.COMPLETED) == [(kept.job_id, 0)]


KEYWORDS = ("dog", "Dog ", "beach", "Straße", "STRASSE", "cafe\u0301", "Café", " ", "")
jobs = st.integers(0, 5)
indices = st.integers(0, 2)
steps = st.one_of(
    st.tuples(
        st.just("add"), st.lists(st.sampled_from([an_image, a_url_image, a_refused_image]), min_size=3)
    ),
    st.tuples(st.just("publish"), jobs, indices),
    st.tuples(st.just("complete"), jobs, indices, st.lists(st.sampled_from(KEYWORDS), max_size=4)),
    st.tuples(st.just("fail"), jobs, indices),
    st.tuples(st.just("cancel"), jobs),
    st.tuples(st.just("delete"), jobs),
)
queries = st.builds(
    ImageQuery,
    keywords=st.lists(st.sampled_from(KEYWORDS[:-2]), max_size=2),
    status=st.none() | st.sampled_from(Status),
)


class History:
    """What the store was told, kept as jobs in a list: the newest last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: list[Job] = []

    async def take(self, step: Sequence) -> None:
        kind, *rest = step
        if kind == "add":
            members = [make(index) for index, make in enumerate(rest[0][:3])]
            self._jobs.append(await add(self._store, an_accepted_job(members)))
        elif rest[0] < len(self._jobs):
            await self._change(kind, *rest)

    async def _change(self, kind: str, number: int, *more) -> None:
        job = self._jobs[number]
        if kind == "delete":
            await self._store.delete(job.job_id)
            del self._jobs[number]
            return
        decide = {
            "publish": lambda job: transitions.published(job, [attempt_of(job, *more)], NOW),
            "complete": lambda job: complete_with(job, more[0], *more[1]),
            "fail": lambda job: transitions.fail(job, more[0], a_failure(), NOW),
            "cancel": stop,
        }[kind]
        change = await self._store.update(job.job_id, decide)
        self._jobs[number] = change.job if change else job

    def that_match(self, query: ImageQuery) -> list[tuple[str, Image]]:
        return [
            (job.job_id, image)
            for job in reversed(self._jobs)
            for image in reversed(job.images)
            if query.matches(image)
        ]


@pytest.mark.parametrize("adapter", ADAPTERS)
@settings(deadline=None, max_examples=60)
@given(history=st.lists(steps, max_size=25), asked=st.lists(queries, min_size=1, max_size=6))
def test_a_search_finds_what_going_through_all_jobs_would(
    adapter: str, history: Iterable[Sequence], asked: Sequence[ImageQuery]
):
    async def compare() -> None:
        with TemporaryDirectory() as folder:
            async with ADAPTERS[adapter](Path(folder)) as store:
                told = History(store)
                for step in history:
                    await told.take(step)
                for query in asked:
                    expected = told.that_match(query)
                    assert await page_by_page(store, query, limit=3) == (expected, {len(expected)})

    asyncio.run(compare())

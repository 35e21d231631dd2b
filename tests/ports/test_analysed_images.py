"""The suite of the port AnalysedImages: what is found to be reused, by whom it is named, and who is refused."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import pytest

from gateway.domain.events import Change
from gateway.domain.job import Image, ImageRef, Job
from gateway.domain.job_id import new_job_id
from gateway.domain.options import BatchOptions
from gateway.domain.reuse import Analysed, reused
from gateway.domain.transitions import accept, cancel, fail, fetched, fetched_and_reused
from gateway.metadata import FieldPolicy, MetadataPolicy
from gateway.ports.job_store import JobNotFound
from gateway.ports.reuse import SourceGone
from tests.builders import (
    NOW,
    a_failure,
    a_url_image,
    an_accepted_job,
    an_image,
    an_original,
    complete,
    some_metadata,
)
from tests.ports.job_stores import Store, add

NOTHING_SAID = BatchOptions()
KEEP_TITLES = BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP))
CAT, DOG = "ca" * 32, "d0" * 32


def an_image_of(sha256: str, index: int = 0) -> Image:
    return an_image(index, original=an_original(sha256))


async def accepted(store: Store, *contents: str, options: BatchOptions = NOTHING_SAID) -> Job:
    """A job of images of these contents."""
    images = [an_image_of(sha256, index) for index, sha256 in enumerate(contents)]
    return await add(store, accept(new_job_id(NOW), images, NOW, options))


async def analysed(store: Store, *contents: str, options: BatchOptions = NOTHING_SAID) -> Job:
    """Likewise; all of them are completed."""
    job = await accepted(store, *contents, options=options)
    for index in range(len(contents)):
        await store.update(job.job_id, partial(complete, index=index))
    return await store.get(job.job_id)


def lent(job: Job, index: int = 0) -> Analysed:
    image = job.images[index]
    assert image.processed_path
    return Analysed(ImageRef(job.job_id, index), image.processed_path, image.metadata)


def paths(*jobs: Job) -> set[str]:
    return {image.processed_path for job in jobs for image in job.images if image.processed_path}


def a_job_that_reuses(*sources: Analysed) -> Change:
    images = [reused(an_image_of(CAT, index), source, NOW) for index, source in enumerate(sources)]
    return accept(new_job_id(NOW), images, NOW)


async def reusing(store: Store, *sources: Analysed) -> Job:
    return await add(store, a_job_that_reuses(*sources))


# What is found


async def test_an_analysed_image_is_found_by_its_content(store: Store):
    job = await analysed(store, DOG, CAT)
    assert await store.find_analysed([CAT], NOTHING_SAID) == {CAT: lent(job, 1)}


async def test_it_lends_its_words_and_tells_where_its_tagged_copy_lies(store: Store):
    job = await analysed(store, CAT)
    found = (await store.find_analysed([CAT], NOTHING_SAID))[CAT]
    assert found.metadata == some_metadata()
    assert found.processed_path == job.images[0].processed_path


async def test_several_contents_are_asked_for_at_once(store: Store):
    cat, dog = await analysed(store, CAT), await analysed(store, DOG)
    found = await store.find_analysed([CAT, "00" * 32, DOG], NOTHING_SAID)
    assert found == {CAT: lent(cat), DOG: lent(dog)}
    assert await store.find_analysed([], NOTHING_SAID) == {}


async def test_contents_that_begin_alike_are_told_apart(store: Store):
    await analysed(store, CAT)
    assert await store.find_analysed([CAT[:-1] + "f"], NOTHING_SAID) == {}


async def test_the_newest_one_is_found(store: Store):
    await analysed(store, CAT)
    newer = await analysed(store, CAT, CAT)
    assert await store.find_analysed([CAT], NOTHING_SAID) == {CAT: lent(newer, 1)}


async def test_only_one_with_the_same_options_is_found(store: Store):
    plain = await analysed(store, CAT)
    kept = await analysed(store, CAT, options=KEEP_TITLES)
    other = BatchOptions(MetadataPolicy(title=FieldPolicy.APPEND))
    assert await store.find_analysed([CAT], NOTHING_SAID) == {CAT: lent(plain)}
    assert await store.find_analysed([CAT], KEEP_TITLES) == {CAT: lent(kept)}
    assert await store.find_analysed([CAT], other) == {}


async def failed(store: Store, job: Job) -> None:
    await store.update(job.job_id, lambda job: fail(job, 0, a_failure(), NOW))


async def cancelled(store: Store, job: Job) -> None:
    await store.update(job.job_id, lambda job: cancel(job, NOW))


async def left_open(store: Store, job: Job) -> None:
    """Nothing has come of it yet."""


@pytest.mark.parametrize("ended", [failed, cancelled, left_open])
async def test_an_image_that_is_not_completed_is_not_found(store: Store, ended: Callable):
    await ended(store, await accepted(store, CAT))
    assert await store.find_analysed([CAT], NOTHING_SAID) == {}


async def test_a_completed_image_of_a_job_that_is_at_work_or_was_cancelled_is_found(store: Store):
    job = await accepted(store, CAT, DOG)
    await store.update(job.job_id, complete)
    found = {CAT: lent(await store.get(job.job_id))}
    assert await store.find_analysed([CAT, DOG], NOTHING_SAID) == found
    await store.update(job.job_id, lambda job: cancel(job, NOW))
    assert await store.find_analysed([CAT, DOG], NOTHING_SAID) == found


async def test_an_image_that_was_reused_itself_is_not_found(store: Store):
    first = await analysed(store, CAT)
    await reusing(store, lent(first))
    assert await store.find_analysed([CAT], NOTHING_SAID) == {CAT: lent(first)}
    await store.delete(first.job_id)
    assert await store.find_analysed([CAT], NOTHING_SAID) == {}


async def test_an_image_of_a_job_that_is_retired_or_deleted_is_not_found(store: Store):
    for leave in (store.retire, store.delete):
        await leave((await analysed(store, CAT)).job_id)
        assert await store.find_analysed([CAT], NOTHING_SAID) == {}


# What is committed


async def test_an_image_is_read_back_with_the_one_that_it_reuses(store: Store):
    first = await analysed(store, CAT)
    second = await reusing(store, lent(first), lent(first))
    assert await store.get(second.job_id) == second
    assert [image.reused_from for image in second.images] == [ImageRef(first.job_id, 0)] * 2
    assert [event.image for event in await store.events(second.job_id, after=1, limit=2)] == [*second.images]


async def test_an_image_that_was_downloaded_reuses_another_too(store: Store):
    first = await analysed(store, CAT)
    second = await add(store, an_accepted_job([a_url_image(), a_url_image(1)]))
    original = an_original(CAT)
    await store.update(second.job_id, lambda job: fetched_and_reused(job, 1, original, lent(first), NOW))
    assert (await store.get(second.job_id)).images[1].reused_from == ImageRef(first.job_id, 0)
    assert await store.withdraw([first.job_id]) == paths(first)


async def refuse(store: Store, source: Job) -> None:
    """By a new job, and by a download; nothing of either is kept."""
    accepted = a_job_that_reuses(lent(source))
    with pytest.raises(SourceGone):
        await store.add(accepted, reserved=[])
    with pytest.raises(JobNotFound):
        await store.get(accepted.job.job_id)
    job = await add(store, an_accepted_job([a_url_image()]))
    original = an_original(CAT)
    with pytest.raises(SourceGone):
        await store.update(job.job_id, lambda job: fetched_and_reused(job, 0, original, lent(source), NOW))
    assert await store.get(job.job_id) == job
    assert await store.update(job.job_id, lambda job: fetched(job, 0, original))
    assert not await store.is_shared(lent(source).processed_path)


async def test_no_image_of_a_job_that_is_withdrawn_retired_or_deleted_is_reused(store: Store):
    withdrawn, retired, deleted = [await analysed(store, CAT) for _ in range(3)]
    await store.withdraw([withdrawn.job_id])
    await store.retire(retired.job_id)
    await store.delete(deleted.job_id)
    for source in (withdrawn, retired, deleted):
        await refuse(store, source)


async def test_a_job_is_withdrawn_for_as_long_as_it_is_there(store: Store):
    source = await analysed(store, CAT)
    await store.withdraw([source.job_id])
    await store.withdraw([source.job_id])
    await refuse(store, source)
    assert await store.get(source.job_id) == source


# Who names a tagged copy


async def test_a_tagged_copy_that_nobody_reuses_is_not_shared(store: Store):
    job = await analysed(store, CAT)
    assert not await store.is_shared(lent(job).processed_path)
    assert await store.withdraw([job.job_id]) == frozenset()


async def test_a_job_that_goes_leaves_behind_what_others_reuse(store: Store):
    first = await analysed(store, CAT, DOG)
    await reusing(store, lent(first, 1))
    assert await store.withdraw([first.job_id]) == {lent(first, 1).processed_path}


async def test_a_job_that_reuses_leaves_the_copy_to_the_one_that_made_it_and_to_others(store: Store):
    first = await analysed(store, CAT)
    second, third = [await reusing(store, lent(first)) for _ in range(2)]
    assert await store.withdraw([second.job_id]) == paths(first)
    await store.delete(first.job_id)
    assert await store.is_shared(lent(first).processed_path)
    assert await store.withdraw([third.job_id]) == frozenset()


async def test_jobs_that_go_together_leave_to_one_another_nothing(store: Store):
    first = await analysed(store, CAT)
    second = await reusing(store, lent(first))
    assert await store.withdraw([first.job_id, second.job_id, "nobody"]) == frozenset()


async def test_a_job_that_is_retired_keeps_no_copy(store: Store):
    first = await analysed(store, CAT)
    second = await reusing(store, lent(first))
    await store.retire(second.job_id)
    assert await store.withdraw([first.job_id]) == frozenset()


async def test_a_copy_is_shared_until_the_last_job_that_reuses_it_is_deleted(store: Store):
    first = await analysed(store, CAT)
    path = lent(first).processed_path
    second = await reusing(store, lent(first))
    await store.delete(first.job_id)
    assert await store.is_shared(path)
    await store.delete(second.job_id)
    assert not await store.is_shared(path)


async def test_reuse_beside_a_withdrawal_is_refused_or_keeps_the_copy(store: Store):
    """Whichever comes first; never a job on a copy that is about to go."""
    sources = [await analysed(store, CAT) for _ in range(20)]

    async def both(source: Job, *, reuse_first: bool) -> Sequence[object]:
        calls = [
            store.add(a_job_that_reuses(lent(source)), reserved=[]),
            store.withdraw([source.job_id]),
        ]
        answers = await asyncio.gather(*(calls if reuse_first else reversed(calls)), return_exceptions=True)
        return answers if reuse_first else answers[::-1]

    turns = [both(source, reuse_first=number % 2 == 0) for number, source in enumerate(sources)]
    for source, (added, stay) in zip(sources, await asyncio.gather(*turns), strict=True):
        assert stay == (frozenset() if isinstance(added, SourceGone) else paths(source))


async def test_nothing_is_reused_of_a_job_that_was_deleted_just_before(store: Store):
    """Also when both are committed together."""
    sources = [await analysed(store, CAT) for _ in range(20)]
    reuses = [a_job_that_reuses(lent(source)) for source in sources]
    calls = zip(
        (store.delete(source.job_id) for source in sources),
        (store.add(accepted, reserved=[]) for accepted in reuses),
        strict=True,
    )
    answers = await asyncio.gather(*chain.from_iterable(calls), return_exceptions=True)
    assert {type(answer) for answer in answers[1::2]} == {SourceGone}

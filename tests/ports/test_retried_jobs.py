"""The suite of the port JobStore where jobs try others' images again: what they share, and how they are retired."""

import asyncio
from collections.abc import Sequence

import pytest
from attrs import evolve

from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Change
from gateway.domain.job import Image, Job, Outcome
from gateway.domain.job_id import new_job_id
from gateway.domain.receipt import Answer, receipt_of
from gateway.domain.transitions import accept, cancel, fail
from gateway.errors import Conflict
from gateway.ports.dead_letters import DeadLetterNotFound
from gateway.ports.job_store import JobNotFound, TakenLetter
from tests.builders import (
    NOW,
    a_failure,
    a_url_image,
    an_accepted_job,
    an_image,
    attempt_of,
    complete,
    publish,
)
from tests.ports.job_stores import LATER, SECOND, Store, add


def a_retry(job: Job, *indices: int) -> Change:
    """Of these images, or of all."""
    members = [job.images[index] for index in indices or range(len(job.images))]
    images = [an_image(index, original=member.original) for index, member in enumerate(members)]
    return accept(new_job_id(NOW), images, NOW, retry_of=job.job_id)


async def retried(store: Store, job: Job, *indices: int) -> Job:
    return await add(store, a_retry(job, *indices))


def keys(*images: Image) -> set[str]:
    return {image.original.key for image in images if image.original}


# What a retry is read back as


async def test_a_retry_is_read_back_with_the_job_that_it_tries_again(store: Store):
    first = await add(store, an_accepted_job())
    again = await retried(store, first, 1)
    change = await store.update(again.job_id, publish)
    assert change is not None
    assert await store.get(again.job_id) == change.job
    assert change.job.retry_of == first.job_id


async def test_a_list_tells_which_jobs_are_retries(store: Store):
    first = await add(store, an_accepted_job())
    await retried(store, first)
    assert [job.retry_of for job in (await store.page(limit=10)).jobs] == [first.job_id, None]


async def test_a_retry_stays_when_the_job_that_it_tries_again_is_deleted(store: Store):
    first = await add(store, an_accepted_job())
    again = await retried(store, first)
    await store.delete(first.job_id)
    assert await store.get(again.job_id) == again


async def test_a_list_tells_when_jobs_began_and_were_cancelled_and_how_they_went(store: Store):
    """As the jobs themselves do."""
    jobs = [await add(store, an_accepted_job(images=2)) for _ in range(5)]
    _, started, completed, partial, cancelled = (job.job_id for job in jobs)
    for job_id in (started, completed, partial, cancelled):
        await store.update(job_id, lambda job: publish(job, 1, now=NOW + SECOND))
        await store.update(job_id, lambda job: publish(job, 0, now=NOW + 2 * SECOND))
    for job_id in (completed, partial):
        await store.update(job_id, lambda job: complete(job, 0, now=NOW + 3 * SECOND))
    await store.update(completed, lambda job: complete(job, 1, now=NOW + 3 * SECOND))
    await store.update(partial, lambda job: fail(job, 1, a_failure(), NOW + 4 * SECOND))
    await store.update(cancelled, lambda job: cancel(job, NOW + 3 * SECOND))
    listed = {job.job_id: job for job in (await store.page(limit=10)).jobs}
    for job in jobs:
        stored, summary = await store.get(job.job_id), listed[job.job_id]
        for name in ("started_at", "updated_at", "cancelled_at", "completed_at", "outcome"):
            assert getattr(summary, name) == getattr(stored, name)
    assert [listed[job.job_id].outcome for job in jobs] == [
        None,
        None,
        Outcome.ALL_COMPLETED,
        Outcome.PARTIAL,
        Outcome.CANCELLED,
    ]
    assert listed[started].started_at == NOW + SECOND


# Retired jobs


async def test_a_job_that_nobody_tried_again_shares_nothing(store: Store):
    job = await add(store, an_accepted_job())
    assert await store.retire(job.job_id) == frozenset()


async def test_a_job_shares_the_originals_that_were_tried_again(store: Store):
    job = await add(store, an_accepted_job())
    await retried(store, job, 0, 2)
    assert await store.retire(job.job_id) == keys(job.images[0], job.images[2])


async def test_both_sides_share_and_so_do_retries_of_retries(store: Store):
    first = await add(store, an_accepted_job())
    second = await retried(store, first, 0, 1)
    third = await retried(store, second, 1)
    assert await store.retire(second.job_id) == keys(*first.images[:2])
    assert await store.retire(third.job_id) == keys(first.images[1])


async def test_jobs_that_were_tried_again_by_the_same_one_share_nothing_more(store: Store):
    first, other = [await add(store, an_accepted_job()) for _ in range(2)]
    await retried(store, first, 0)
    await retried(store, other, 1)
    assert await store.retire(first.job_id) == keys(first.images[0])


async def test_a_retry_on_no_original_shares_nothing(store: Store):
    job = await add(store, an_accepted_job([a_url_image(0)]))
    again = accept(new_job_id(NOW), [a_url_image(0)], NOW, retry_of=job.job_id)
    await add(store, again)
    assert await store.retire(job.job_id) == frozenset()


async def test_jobs_that_are_retired_or_deleted_keep_no_original(store: Store):
    first = await add(store, an_accepted_job(images=1))
    second = await retried(store, first)
    third = await retried(store, first)
    await store.delete(second.job_id)
    await store.retire(first.job_id)
    assert await store.retire(third.job_id) == frozenset()


async def test_retiring_a_job_again_says_the_same(store: Store):
    job = await add(store, an_accepted_job())
    await retried(store, job, 1)
    assert await store.retire(job.job_id) == await store.retire(job.job_id) == keys(job.images[1])


async def test_a_retired_job_can_not_be_tried_again_and_nothing_of_that_is_kept(store: Store):
    job = await add(store, an_accepted_job())
    await store.retire(job.job_id)
    again = a_retry(job)
    await store.reserve(["b-x"], deadline=LATER)
    with pytest.raises(Conflict) as caught:
        await store.add(again, reserved=["b-x"], companions=[_answer_of(again)])
    assert caught.value.code == "job_retired"
    with pytest.raises(JobNotFound):
        await store.get(again.job.job_id)
    assert await store.answer("key", now=NOW) is None
    assert await store.overdue(LATER + SECOND, limit=10) == ("b-x",)


async def test_a_retired_job_is_read_and_changed_as_any(store: Store):
    job = await add(store, an_accepted_job())
    await store.retire(job.job_id)
    assert await store.get(job.job_id) == job
    assert await store.update(job.job_id, publish)


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_a_job_that_is_gone_can_neither_be_tried_again_nor_retired(store: Store, is_deleted: bool):
    job = an_accepted_job().job
    if is_deleted:
        await add(store, an_accepted_job(job_id=job.job_id))
        await store.delete(job.job_id)
    again = a_retry(job)
    with pytest.raises(JobNotFound):
        await store.add(again, reserved=[])
    with pytest.raises(JobNotFound):
        await store.get(again.job.job_id)
    with pytest.raises(JobNotFound):
        await store.retire(job.job_id)


async def test_a_retry_beside_the_retirement_is_refused_or_keeps_its_original(store: Store):
    """Whichever comes first; never a job on an original that is about to go."""
    jobs = [await add(store, an_accepted_job(images=1)) for _ in range(20)]

    async def both(job: Job, *, retry_first: bool) -> Sequence[object]:
        calls = [store.add(a_retry(job), reserved=[]), store.retire(job.job_id)]
        answers = await asyncio.gather(*(calls if retry_first else reversed(calls)), return_exceptions=True)
        return answers if retry_first else answers[::-1]

    for number, (added, shared) in enumerate(
        await asyncio.gather(*(both(job, retry_first=number % 2 == 0) for number, job in enumerate(jobs)))
    ):
        is_refused = isinstance(added, Conflict)
        assert shared == (frozenset() if is_refused else keys(jobs[number].images[0]))


# Companions


def _answer_of(accepted: Change) -> Answer:
    return Answer(key="key", fingerprint="f", receipt=receipt_of(accepted.job), expires_at=LATER)


def _letter_of(job: Job) -> DeadLetter:
    name = attempt_of(job)
    return DeadLetter(
        dead_letter_id=str(name), job_id=job.job_id, index=0, trace_id=name.trace_id, attempt=name.number,
        queue="image_upload", reason="rejected", code="analysis_failed", count=1, at=NOW, body="{}",
    )  # fmt: skip


async def test_a_retry_and_all_its_companions_are_committed_together(store: Store):
    job = await add(store, an_accepted_job())
    letter = _letter_of(job)
    await store.keep_letter(letter)
    again = a_retry(job)
    await store.add(again, reserved=[], companions=[_answer_of(again), TakenLetter(letter.dead_letter_id)])
    assert await store.answer("key", now=NOW) == _answer_of(again)
    assert (await store.letters(limit=10)).total == 0


async def test_one_companion_that_can_not_be_committed_keeps_everything_else_back(store: Store):
    job = await add(store, an_accepted_job())
    again = a_retry(job)
    with pytest.raises(DeadLetterNotFound):
        await store.add(again, reserved=[], companions=[_answer_of(again), TakenLetter("nobody")])
    with pytest.raises(JobNotFound):
        await store.get(again.job.job_id)
    assert await store.answer("key", now=NOW) is None
    assert await store.retire(job.job_id) == frozenset()


async def test_a_companion_that_can_not_be_written_keeps_the_change_back(store: Store):
    job = await add(store, an_accepted_job())
    unwritable = evolve(_letter_of(job), reason="\ud800")
    with pytest.raises(Exception):  # noqa: B017 - whichever it is
        await store.update(job.job_id, publish, companions=[unwritable])
    assert await store.get(job.job_id) == job


async def test_neither_is_a_change_committed_without_its_companions(store: Store):
    job = await add(store, an_accepted_job())
    with pytest.raises(DeadLetterNotFound):
        await store.update(job.job_id, publish, companions=[_letter_of(job), TakenLetter("nobody")])
    assert await store.get(job.job_id) == job
    assert (await store.letters(limit=10)).total == 0

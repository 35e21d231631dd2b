"""The suite of the port Answers, and of answers as companions of new jobs."""

import asyncio
from datetime import datetime

import pytest

from gateway.domain.events import Change
from gateway.domain.receipt import Answer, receipt_of
from gateway.ports.answers import AlreadyAnswered
from gateway.ports.job_store import JobNotFound
from tests.builders import NOW, an_accepted_job
from tests.ports.job_stores import LATER, SECOND, Store, stop


def an_answer(
    accepted: Change, key: str = "key", *, fingerprint: str = "f1", expires_at: datetime = LATER
) -> Answer:
    return Answer(key=key, fingerprint=fingerprint, receipt=receipt_of(accepted.job), expires_at=expires_at)


async def add_answered(store: Store, accepted: Change, *answers: Answer) -> None:
    await store.add(accepted, reserved=[], companions=answers)


async def test_an_answer_is_committed_with_its_job_and_read_as_it_was_given(store: Store):
    accepted = an_accepted_job()
    answer = an_answer(accepted, "a key, with “signs” and spaces")
    await add_answered(store, accepted, answer)
    assert await store.answer(answer.key, now=NOW) == answer
    assert await store.get(accepted.job.job_id) == accepted.job


async def test_an_answer_stays_as_it_was_given_whatever_becomes_of_the_job(store: Store):
    accepted = an_accepted_job()
    answer = an_answer(accepted)
    await add_answered(store, accepted, answer)
    await store.update(accepted.job.job_id, stop)
    assert await store.answer("key", now=NOW) == answer
    await store.delete(accepted.job.job_id)
    assert await store.answer("key", now=NOW) == answer


async def test_a_key_that_was_not_answered_has_no_answer(store: Store):
    accepted = an_accepted_job()
    await add_answered(store, accepted, an_answer(accepted, "key"))
    for other in ("Key", "key ", "ke", ""):
        assert await store.answer(other, now=NOW) is None


async def test_a_key_that_was_answered_is_answered_for_no_other_job(store: Store):
    first, second = an_accepted_job(), an_accepted_job()
    await add_answered(store, first, an_answer(first))
    with pytest.raises(AlreadyAnswered):
        await add_answered(store, second, an_answer(second))
    with pytest.raises(JobNotFound):
        await store.get(second.job.job_id)
    answer = await store.answer("key", now=NOW)
    assert answer is not None
    assert answer.receipt.job_id == first.job.job_id


async def test_a_job_that_is_refused_for_its_key_ends_no_reservation(store: Store):
    first, second = an_accepted_job(), an_accepted_job()
    await add_answered(store, first, an_answer(first))
    await store.reserve(["one"], deadline=NOW)
    with pytest.raises(AlreadyAnswered):
        await store.add(second, reserved=["one"], companions=[an_answer(second)])
    assert list(await store.overdue(LATER, limit=10)) == ["one"]


async def test_of_many_jobs_with_one_key_in_the_same_instant_one_is_added(store: Store):
    jobs = [an_accepted_job() for _ in range(20)]
    outcomes = await asyncio.gather(
        *(add_answered(store, accepted, an_answer(accepted)) for accepted in jobs), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes].count(AlreadyAnswered) == 19
    (kept,) = (await store.page(limit=10)).jobs
    answer = await store.answer("key", now=NOW)
    assert answer is not None
    assert answer.receipt.job_id == kept.job_id


async def test_a_job_that_is_not_added_leaves_no_answer(store: Store):
    accepted = an_accepted_job()
    await add_answered(store, accepted)
    with pytest.raises(Exception):  # noqa: B017 - whichever it is
        await add_answered(store, an_accepted_job(job_id=accepted.job.job_id), an_answer(accepted))
    assert await store.answer("key", now=NOW) is None


async def test_an_answer_whose_time_is_over_is_none_and_another_takes_its_place(store: Store):
    first, second = an_accepted_job(now=NOW), an_accepted_job(now=NOW + SECOND)
    await add_answered(store, first, an_answer(first, expires_at=NOW + SECOND))
    assert await store.answer("key", now=NOW + SECOND) is None
    again = an_answer(second, fingerprint="f2")
    await add_answered(store, second, again)
    assert await store.answer("key", now=NOW + SECOND) == again


async def test_those_that_have_expired_are_forgotten_and_counted(store: Store):
    for number in range(3):
        accepted = an_accepted_job()
        answer = an_answer(accepted, f"key{number}", expires_at=NOW + number * SECOND)
        await add_answered(store, accepted, answer)
    assert await store.forget_answers(before=NOW + 1.5 * SECOND, limit=10) == 2
    assert await store.forget_answers(before=NOW + 1.5 * SECOND, limit=10) == 0
    assert await store.answer("key1", now=NOW) is None
    assert await store.answer("key2", now=NOW) is not None


async def test_no_more_than_a_limit_are_forgotten_at_once_those_that_expired_first(store: Store):
    for number in (2, 0, 1):
        accepted = an_accepted_job()
        answer = an_answer(accepted, f"key{number}", expires_at=NOW + number * SECOND)
        await add_answered(store, accepted, answer)
    assert await store.forget_answers(before=LATER, limit=2) == 2
    before = NOW - SECOND
    assert [await store.answer(f"key{number}", now=before) is None for number in range(3)] == [
        True,
        True,
        False,
    ]

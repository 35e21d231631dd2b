"""The suite of the port Reservations."""

import asyncio

import pytest

from gateway.errors import Conflict
from gateway.ports.job_store import JobNotFound
from tests.builders import NOW, a_url_image, an_accepted_job
from tests.ports.job_stores import LATER, SECOND, Store, add


async def test_a_jobs_commit_ends_the_reservations_it_used(store: Store):
    await store.reserve(["one", "two", "three"], deadline=NOW)
    await store.add(an_accepted_job(), reserved=["one", "three"])
    assert list(await store.overdue(LATER, limit=10)) == ["two"]


async def test_a_job_that_used_no_reservation_is_added(store: Store):
    accepted = an_accepted_job([a_url_image()])
    await store.add(accepted, reserved=[])
    assert await store.get(accepted.job.job_id) == accepted.job


@pytest.mark.parametrize("reserved", [["one", "two"], ["two"], ["one", "nobody"]])
async def test_a_job_one_of_whose_reservations_is_gone_is_refused_and_not_kept(store: Store, reserved):
    accepted = an_accepted_job()
    await store.reserve(["one", "two"], deadline=NOW)
    await store.release(["two"])
    with pytest.raises(Conflict):
        await store.add(accepted, reserved=reserved)
    with pytest.raises(JobNotFound):
        await store.get(accepted.job.job_id)
    assert (await store.page(limit=1)).total == 0
    assert list(await store.overdue(LATER, limit=10)) == ["one"]


async def test_one_reservation_makes_one_job(store: Store):
    await store.reserve(["one"], deadline=LATER)
    outcomes = await asyncio.gather(
        *(store.add(an_accepted_job(), reserved=["one"]) for _ in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes].count(Conflict) == 2
    assert (await store.page(limit=1)).total == 1


async def test_a_release_and_a_job_in_the_same_instant_never_both_succeed(store: Store):
    await store.reserve(["one"], deadline=LATER)
    accepted = an_accepted_job()
    _, added = await asyncio.gather(
        store.release(["one"]), store.add(accepted, reserved=["one"]), return_exceptions=True
    )
    assert isinstance(added, Conflict)
    assert (await store.page(limit=1)).total == 0


async def test_what_is_reserved_again_in_the_instant_of_its_release_stands(store: Store):
    await store.reserve(["one"], deadline=NOW)
    await asyncio.gather(store.release(["one"]), store.reserve(["one"], deadline=LATER))
    assert list(await store.overdue(LATER + SECOND, limit=10)) == ["one"]
    await store.add(an_accepted_job(), reserved=["one"])


async def test_a_job_that_exists_already_is_not_added_twice(store: Store):
    """Whatever the error is, it harms nobody beside it."""
    job = await add(store, an_accepted_job(images=1))
    await store.reserve(["0", "1", "2"], deadline=LATER)
    first, again, last = await asyncio.gather(
        store.add(an_accepted_job(), reserved=["0"]),
        store.add(an_accepted_job(job_id=job.job_id), reserved=["1"]),
        store.add(an_accepted_job(), reserved=["2"]),
        return_exceptions=True,
    )
    assert (first, last) == (None, None)
    assert isinstance(again, Exception)
    assert await store.get(job.job_id) == job
    assert (await store.page(limit=1)).total == 3
    assert list(await store.overdue(LATER + SECOND, limit=10)) == ["1"]


async def test_overdue_reservations_come_most_overdue_first(store: Store):
    for number in (2, 0, 1, 3):
        await store.reserve([f"n{number}"], deadline=NOW + number * SECOND)
    assert list(await store.overdue(NOW + 2.5 * SECOND, limit=10)) == ["n0", "n1", "n2"]
    assert list(await store.overdue(LATER, limit=2)) == ["n0", "n1"]


async def test_a_reservation_is_not_overdue_before_its_deadline(store: Store):
    await store.reserve(["one"], deadline=NOW)
    assert list(await store.overdue(NOW - SECOND, limit=10)) == []


async def test_one_that_is_reserved_again_gets_the_new_deadline(store: Store):
    await store.reserve(["one", "two"], deadline=LATER)
    await store.reserve(["one"], deadline=NOW)
    assert list(await store.overdue(NOW + SECOND, limit=10)) == ["one"]


async def test_releasing_what_is_not_there_is_fine(store: Store):
    await store.release(["nobody"])


async def test_a_claimed_reservation_is_overdue_and_no_job_can_use_it(store: Store):
    await store.reserve(["one"], deadline=LATER)
    await store.claim(["one"])
    assert list(await store.overdue(NOW, limit=10)) == ["one"]
    with pytest.raises(Conflict):
        await store.add(an_accepted_job(), reserved=["one"])


async def test_a_claim_and_a_job_in_the_same_instant_never_both_succeed(store: Store):
    await store.reserve(["one"], deadline=LATER)
    _, added = await asyncio.gather(
        store.claim(["one"]), store.add(an_accepted_job(), reserved=["one"]), return_exceptions=True
    )
    assert isinstance(added, Conflict)


async def test_a_reservation_that_a_job_has_used_can_not_be_claimed(store: Store):
    await store.reserve(["one", "two"], deadline=NOW)
    overdue = await store.overdue(LATER, limit=10)
    await store.add(an_accepted_job(), reserved=["one"])
    assert list(await store.claim(overdue)) == ["two"]


async def test_a_job_and_a_claim_in_the_same_instant_never_both_succeed(store: Store):
    await store.reserve(["one"], deadline=LATER)
    _, claimed = await asyncio.gather(store.add(an_accepted_job(), reserved=["one"]), store.claim(["one"]))
    assert list(claimed) == []

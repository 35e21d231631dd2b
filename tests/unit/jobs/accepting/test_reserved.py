"""Trace ids reserved ahead, over a store whose commits the test makes happen."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest
from attrs import define, field

from gateway.errors import Unavailable
from gateway.jobs.accepting.reserved import AT_ONCE, FEW, ReservedTraceIds
from gateway.ports.clock import SystemClock
from tests.patience import PATIENCE_S


@define
class Reservations:
    """Commits at once while `works` is set, else when it is set, and tells so while `tells` is; fails with `error`."""

    works: asyncio.Event = field(factory=asyncio.Event)
    tells: asyncio.Event = field(factory=asyncio.Event)
    error: Exception | None = None
    begun: int = 0
    commits: int = 0
    standing: set[str] = field(factory=set)

    async def reserve(self, trace_ids: Sequence[str], *, deadline: datetime) -> None:
        self.begun += 1
        await self.works.wait()
        if self.error is not None:
            raise self.error
        self.commits += 1
        self.standing.update(trace_ids)
        await self.tells.wait()

    async def release(self, trace_ids: Sequence[str]) -> None:
        self.standing.difference_update(trace_ids)

    async def overdue(self, now: datetime, *, limit: int) -> Sequence[str]:
        return sorted(self.standing)[:limit]


@pytest.fixture
async def reservations() -> Reservations:
    reservations = Reservations()
    reservations.works.set()
    reservations.tells.set()
    return reservations


@pytest.fixture
def reserved(reservations) -> ReservedTraceIds:
    return ReservedTraceIds(reservations, SystemClock(), "b", 60.0)


async def test_every_trace_id_stands_when_it_is_taken_and_is_taken_once(reservations, reserved):
    taken = [await reserved.take() for _ in range(AT_ONCE * 3)]
    assert len(set(taken)) == len(taken)
    assert set(taken) <= reservations.standing


async def test_those_who_come_together_wait_for_one_commit(reservations, reserved):
    await asyncio.gather(*(reserved.take() for _ in range(FEW)))
    assert reservations.commits == 1


async def test_more_than_one_commit_makes_are_all_served(reserved):
    taken = await asyncio.gather(*(reserved.take() for _ in range(AT_ONCE * 5)))
    assert len(set(taken)) == AT_ONCE * 5


async def test_new_ones_are_asked_for_before_the_last_are_gone(reservations, reserved):
    for _ in range(AT_ONCE - 1):
        await reserved.take()
    await asyncio.sleep(0)
    assert reservations.begun == 2


async def test_nobody_waits_for_new_ones_while_there_are_some(reservations, reserved):
    await reserved.take()
    reservations.works.clear()
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(AT_ONCE - 1):
            await reserved.take()


async def test_a_store_that_is_down_is_told_to_those_who_wait_and_asked_again_by_the_next(
    reservations, reserved
):
    reservations.error = Unavailable("down")
    outcomes = await asyncio.gather(*(reserved.take() for _ in range(3)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    reservations.error = None
    assert await reserved.take()


async def test_one_who_leaves_takes_nothing_from_those_who_wait_with_it(reservations, reserved):
    reservations.works.clear()
    first, second = (asyncio.ensure_future(reserved.take()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait((first,))
    reservations.works.set()
    assert await second


async def test_a_stop_gives_all_back_and_waits_for_no_store(reservations, reserved):
    taken = {await reserved.take() for _ in range(AT_ONCE - FEW)}
    reservations.works.clear()
    taken.add(await reserved.take())
    taken.add(await reserved.take())
    async with asyncio.timeout(PATIENCE_S):
        await reserved.give_back()
    assert reservations.standing == taken


async def test_a_stop_gives_back_those_that_were_committed_and_not_yet_told(reservations, reserved):
    reservations.tells.clear()
    taker = asyncio.ensure_future(reserved.take())
    async with asyncio.timeout(PATIENCE_S):
        while not reservations.standing:
            await asyncio.sleep(0)
    await reserved.give_back()
    assert reservations.standing == set()
    await asyncio.wait((taker,))
    assert taker.cancelled()

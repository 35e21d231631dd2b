import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Unavailable
from gateway.intake.bytes_in_flight import BytesInFlight

LONG_S = 60.0


async def let_others_run() -> None:
    """Until all that can go on has done so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def waiting(in_flight: BytesInFlight, size: int) -> "asyncio.Task[None]":
    """One that stands in the queue."""
    task = asyncio.create_task(in_flight.take(size))
    await let_others_run()
    assert not task.done()
    return task


class TestTake:
    async def test_bytes_are_given_as_far_as_there_is_room(self):
        in_flight = BytesInFlight(10)
        await in_flight.take(6)
        await in_flight.take(4)
        assert in_flight.held_bytes == 10
        third = await waiting(in_flight, 1)
        in_flight.give_back(4)
        await third
        assert in_flight.held_bytes == 7

    async def test_one_is_let_in_however_large(self):
        in_flight = BytesInFlight(10)
        await in_flight.take(1000)
        second = await waiting(in_flight, 1)
        in_flight.give_back(1000)
        await second

    async def test_who_waits_longest_is_next_though_a_smaller_one_would_fit(self):
        in_flight = BytesInFlight(10)
        await in_flight.take(6)
        large = await waiting(in_flight, 10)
        small = await waiting(in_flight, 1)
        in_flight.give_back(6)
        await large
        assert not small.done()
        in_flight.give_back(10)
        await small

    async def test_who_waits_too_long_is_told_to_come_again(self):
        in_flight = BytesInFlight(10, patience_s=0.01)
        await in_flight.take(10)
        with pytest.raises(Unavailable) as caught:
            await in_flight.take(1)
        assert (caught.value.code, caught.value.retry_after_s) == ("busy", 2)
        assert in_flight.held_bytes == 10
        in_flight.give_back(10)
        assert not in_flight.is_full

    async def test_who_leaves_makes_way_for_those_behind(self):
        in_flight = BytesInFlight(10)
        await in_flight.take(6)
        large, small = await waiting(in_flight, 8), await waiting(in_flight, 1)
        large.cancel()
        await small
        assert in_flight.held_bytes == 7

    async def test_who_is_cancelled_in_the_instant_its_turn_comes_leaves_nothing_held(self):
        in_flight = BytesInFlight(10)
        await in_flight.take(10)
        second = await waiting(in_flight, 8)
        third = await waiting(in_flight, 8)
        in_flight.give_back(10)
        second.cancel()
        await third
        assert second.cancelled()
        assert in_flight.held_bytes == 8

    async def test_who_was_cancelled_just_before_its_turn_leaves_nothing_held(self):
        in_flight = BytesInFlight(10)
        await in_flight.take(10)
        second = await waiting(in_flight, 8)
        second.cancel()
        in_flight.give_back(10)
        await let_others_run()
        assert second.cancelled()
        assert in_flight.held_bytes == 0


class TestFull:
    async def test_it_is_not_while_there_is_room(self):
        in_flight = BytesInFlight(10)
        await in_flight.take(9)
        assert not in_flight.is_full

    async def test_it_is_at_the_bound(self):
        in_flight = BytesInFlight(10)
        await in_flight.take(10)
        assert in_flight.is_full

    async def test_it_is_while_somebody_waits(self):
        in_flight = BytesInFlight(10)
        await in_flight.take(6)
        second = await waiting(in_flight, 6)
        assert in_flight.is_full
        in_flight.give_back(6)
        await second
        assert not in_flight.is_full


@given(
    bound=st.integers(1, 20),
    sizes=st.lists(st.integers(1, 25), max_size=8),
    cancelled=st.sets(st.integers(0, 7)),
)
def test_whoever_comes_and_leaves_however_all_is_given_back_and_the_bound_kept(
    bound: int, sizes: list[int], cancelled: set[int]
) -> None:
    async def run() -> None:
        in_flight = BytesInFlight(bound, patience_s=LONG_S)
        holders: list[int] = []

        async def hold(size: int) -> None:
            await in_flight.take(size)
            holders.append(size)
            assert len(holders) == 1 or sum(holders) <= bound
            try:
                await asyncio.sleep(0)
            finally:
                holders.remove(size)
                in_flight.give_back(size)

        tasks = [asyncio.create_task(hold(size)) for size in sizes]
        await asyncio.sleep(0)
        for index in cancelled & set(range(len(tasks))):
            tasks[index].cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)
        assert (in_flight.held_bytes, in_flight.is_full) == (0, False)
        assert [task.exception() for task in tasks if not task.cancelled()] == [None] * sum(
            not task.cancelled() for task in tasks
        )

    asyncio.run(run())

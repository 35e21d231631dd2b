import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Unavailable
from gateway.intake.bytes_in_flight import BytesInFlight, Share
from tests.patience import PATIENCE_S

LONG_S = 60.0
LARGE = 1000


async def let_others_run() -> None:
    """Until all that can go on has done so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def holding(in_flight: BytesInFlight, size: int, *, most: int = LARGE) -> Share:
    share = in_flight.share(most)
    await share.grow(size)
    return share


async def waiting_for(share: Share, size: int) -> "asyncio.Task[None]":
    """One that stands in the queue."""
    task = asyncio.create_task(share.grow(size))
    await let_others_run()
    assert not task.done()
    return task


async def let_in(*tasks: "asyncio.Task[Any]") -> list[bool]:
    """Which of them wait no more."""
    await let_others_run()
    return [task.done() for task in tasks]


class TestRoom:
    async def test_shares_grow_as_far_as_there_is_room(self):
        in_flight = BytesInFlight(10)
        first, second = await holding(in_flight, 6), await holding(in_flight, 4)
        assert in_flight.held_bytes == 10
        third = await waiting_for(in_flight.share(LARGE), 1)
        second.give_back()
        await third
        assert (in_flight.held_bytes, first.held_bytes, second.held_bytes) == (7, 6, 0)

    async def test_one_image_is_let_in_however_large(self):
        in_flight = BytesInFlight(10)
        first = await holding(in_flight, 500)
        await first.grow(500)
        second = await waiting_for(in_flight.share(LARGE), 1)
        first.give_back()
        await second

    async def test_a_share_grows_to_no_more_than_an_image_may_hold(self):
        in_flight = BytesInFlight(100)
        share = await holding(in_flight, 7, most=10)
        await share.grow(7)
        await share.grow(7)
        assert (share.held_bytes, in_flight.held_bytes) == (10, 10)

    async def test_it_may_be_given_back_more_than_once(self):
        in_flight = BytesInFlight(10)
        share = await holding(in_flight, 7)
        share.give_back()
        share.give_back()
        assert in_flight.held_bytes == 0


class TestTurns:
    async def test_who_waits_longest_is_next_though_a_smaller_one_would_fit(self):
        in_flight = BytesInFlight(10)
        first = await holding(in_flight, 6)
        large, small = in_flight.share(LARGE), in_flight.share(LARGE)
        waiting = await waiting_for(large, 10), await waiting_for(small, 1)
        first.give_back()
        assert await let_in(*waiting) == [True, False]
        large.give_back()
        assert await let_in(*waiting) == [True, True]

    async def test_who_holds_something_comes_before_those_that_begin(self):
        in_flight = BytesInFlight(10)
        beyond, grows, ends = (
            await holding(in_flight, 4),
            await holding(in_flight, 3),
            await holding(in_flight, 3),
        )
        await beyond.grow(1)
        begins = await waiting_for(in_flight.share(LARGE), 1)
        grows_on = await waiting_for(grows, 2)
        ends.give_back()
        assert await let_in(begins, grows_on) == [False, True]
        beyond.give_back()
        assert await let_in(begins) == [True]

    async def test_where_all_that_hold_something_want_more_one_at_a_time_goes_beyond(self):
        in_flight = BytesInFlight(10)
        first, second, third = [await holding(in_flight, size) for size in (4, 3, 3)]
        await first.grow(5)
        others = await waiting_for(second, 5), await waiting_for(third, 5)
        await first.grow(5)
        assert in_flight.held_bytes == 20
        first.give_back()
        assert await let_in(*others) == [True, False]
        second.give_back()
        assert await let_in(*others) == [True, True]

    async def test_who_leaves_makes_way_for_those_behind(self):
        in_flight = BytesInFlight(10)
        await holding(in_flight, 6)
        large, small = (
            await waiting_for(in_flight.share(LARGE), 8),
            await waiting_for(in_flight.share(LARGE), 1),
        )
        large.cancel()
        await small
        assert in_flight.held_bytes == 7

    async def test_who_waits_too_long_is_told_to_come_again(self):
        in_flight = BytesInFlight(10, patience_s=0.01)
        first = await holding(in_flight, 10)
        with pytest.raises(Unavailable) as caught:
            await in_flight.share(LARGE).grow(1)
        assert (caught.value.code, caught.value.retry_after_s) == ("busy", 2)
        first.give_back()
        assert (in_flight.held_bytes, in_flight.is_full) == (0, False)


class TestCancelled:
    async def test_in_the_instant_its_turn_comes_what_it_got_is_in_its_share(self):
        in_flight = BytesInFlight(10)
        first, second, third = await holding(in_flight, 10), in_flight.share(LARGE), in_flight.share(LARGE)
        waiting, behind = await waiting_for(second, 8), await waiting_for(third, 8)
        first.give_back()
        waiting.cancel()
        assert await let_in(waiting, behind) == [True, False]
        second.give_back()
        await behind
        assert (waiting.cancelled(), in_flight.held_bytes) == (True, 8)

    async def test_just_before_its_turn_would_come(self):
        in_flight = BytesInFlight(10)
        first, second = await holding(in_flight, 10), in_flight.share(LARGE)
        waiting = await waiting_for(second, 8)
        waiting.cancel()
        first.give_back()
        assert await let_in(waiting) == [True]
        second.give_back()
        assert (waiting.cancelled(), in_flight.held_bytes) == (True, 0)


class TestFull:
    async def test_it_is_not_while_there_is_room(self):
        in_flight = BytesInFlight(10)
        await holding(in_flight, 9)
        assert not in_flight.is_full

    async def test_it_is_at_the_bound(self):
        in_flight = BytesInFlight(10)
        await holding(in_flight, 10)
        assert in_flight.is_full

    async def test_it_is_while_somebody_waits(self):
        in_flight = BytesInFlight(10)
        first = await holding(in_flight, 6)
        second = await waiting_for(in_flight.share(LARGE), 6)
        assert in_flight.is_full
        first.give_back()
        await second
        assert not in_flight.is_full


MOST = 9


@given(
    bound=st.integers(1, 20),
    images=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), max_size=8),
    cancelled=st.dictionaries(st.integers(0, 7), st.integers(0, 6)),
)
def test_however_images_come_grow_and_are_cancelled_all_come_to_their_end_and_the_bound_is_kept(
    bound: int, images: list[list[int]], cancelled: dict[int, int]
) -> None:
    async def run() -> None:
        in_flight = BytesInFlight(bound, patience_s=LONG_S)

        async def pass_through(chunks: list[int]) -> None:
            share = in_flight.share(MOST)
            try:
                for chunk in chunks:
                    await share.grow(chunk)
                    assert in_flight.held_bytes <= bound + MOST
                    await asyncio.sleep(0)
            finally:
                share.give_back()

        tasks = [asyncio.create_task(pass_through(chunks)) for chunks in images]
        for turn in range(7):
            await asyncio.sleep(0)
            for index in [index for index, at in cancelled.items() if at == turn and index < len(tasks)]:
                tasks[index].cancel()
        async with asyncio.timeout(PATIENCE_S):
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [end for end in ends if not isinstance(end, asyncio.CancelledError | None)] == []
        assert (in_flight.held_bytes, in_flight.is_full) == (0, False)

    asyncio.run(run())

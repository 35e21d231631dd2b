"""When a request may begin: bounds of rate and number, and pauses that hold for all."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.analyzer.vision.turns import LONGEST_PAUSE_S, MINUTE_S, PauseTooLong, Turns
from tests.clocks import HandClock
from tests.patience import PATIENCE_S

PATIENT_S = 10_000.0


def some_turns(clock: HandClock, *, at_once: int = 100, a_minute: int = 0) -> Turns:
    return Turns(clock, at_once, a_minute)


async def beginnings(turns: Turns, clock: HandClock, count: int) -> list[float]:
    """When each of so many requests began, that all came at once."""
    start, begun = clock.monotonic(), []

    async def request() -> None:
        async with turns.turn(most_pause_s=PATIENT_S):
            begun.append(clock.monotonic() - start)

    await asyncio.gather(*(request() for _ in range(count)))
    return begun


@given(st.integers(1, 20), st.integers(0, 60))
def test_no_minute_has_more_requests_than_allowed(a_minute, count):
    clock = HandClock()
    begun = asyncio.run(beginnings(some_turns(clock, a_minute=a_minute), clock, count))
    assert len(begun) == count
    assert all(later - earlier >= MINUTE_S for earlier, later in zip(begun, begun[a_minute:], strict=False))


async def test_as_many_as_a_minute_may_have_begin_at_once():
    clock = HandClock()
    assert max(await beginnings(some_turns(clock, a_minute=5), clock, 5)) == 0


async def test_without_a_bound_all_begin_at_once():
    clock = HandClock()
    assert max(await beginnings(some_turns(clock), clock, 500)) == 0


async def test_no_more_run_at_once_than_allowed():
    turns, running, most = some_turns(HandClock(), at_once=3), 0, 0

    async def request() -> None:
        nonlocal running, most
        async with turns.turn(most_pause_s=PATIENT_S):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(request() for _ in range(20)))
    assert most == 3


async def test_who_came_first_goes_first():
    turns, order = some_turns(HandClock(), at_once=1, a_minute=2), list[int]()

    async def request(number: int) -> None:
        async with turns.turn(most_pause_s=PATIENT_S):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(request(number) for number in range(10)))
    assert order == list(range(10))


async def test_a_pause_holds_back_every_request():
    clock = HandClock()
    turns = some_turns(clock)
    turns.pause(30)
    assert min(await beginnings(turns, clock, 3)) >= 30


async def test_a_shorter_pause_does_not_end_a_longer_one():
    clock = HandClock()
    turns = some_turns(clock)
    turns.pause(30)
    turns.pause(1)
    assert min(await beginnings(turns, clock, 1)) >= 30


async def test_no_pause_is_for_ever():
    clock = HandClock()
    turns = some_turns(clock)
    turns.pause(1e18)
    assert LONGEST_PAUSE_S <= min(await beginnings(turns, clock, 1)) < LONGEST_PAUSE_S + 1


async def test_who_may_not_wait_so_long_is_told_at_once():
    clock = HandClock()
    turns = some_turns(clock)
    turns.pause(30)
    with pytest.raises(PauseTooLong) as caught:
        async with turns.turn(most_pause_s=29):
            pass
    assert (round(caught.value.seconds), clock.monotonic()) == (30, HandClock().monotonic())


async def test_who_may_not_wait_so_long_does_not_wait_for_others_either():
    turns = some_turns(HandClock(), at_once=1)
    async with turns.turn(most_pause_s=PATIENT_S), asyncio.timeout(PATIENCE_S):
        turns.pause(30)
        with pytest.raises(PauseTooLong):
            async with turns.turn(most_pause_s=29):
                pass


async def test_who_has_waited_long_enough_gives_up_and_holds_up_nobody():
    clock = HandClock()
    turns = some_turns(clock, at_once=1)
    async with turns.turn(most_pause_s=PATIENT_S):
        with pytest.raises(TimeoutError):
            async with turns.turn(most_pause_s=PATIENT_S, within_s=0):
                pass
    assert await beginnings(turns, clock, 1) == [0]


async def test_a_turn_that_ends_badly_is_over():
    turns = some_turns(HandClock(), at_once=1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with turns.turn(most_pause_s=PATIENT_S):
                raise ZeroDivisionError


async def test_a_cancelled_wait_holds_up_nobody():
    clock = HandClock()
    turns = some_turns(clock, at_once=1)
    async with turns.turn(most_pause_s=PATIENT_S):
        waiting = asyncio.create_task(beginnings(turns, clock, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert await beginnings(turns, clock, 1) == [0]

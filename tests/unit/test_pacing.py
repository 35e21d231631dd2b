import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Unavailable
from gateway.pacing import LONGEST_PAUSE_S, keep_doing, pause_after
from tests.patience import PATIENCE_S


async def test_the_bell_brings_the_next_turn_before_the_pause_is_over():
    turns, bell = asyncio.Queue[int](), asyncio.Event()

    async def run_once():
        turns.put_nowait(1)

    task = asyncio.create_task(keep_doing("a-service", run_once, bell=bell, pause_s=60))
    await asyncio.wait_for(turns.get(), PATIENCE_S)
    await asyncio.sleep(0.01)
    bell.set()
    await asyncio.wait_for(turns.get(), PATIENCE_S)
    task.cancel()


async def test_a_bell_that_rings_during_the_work_is_heard():
    turns, bell = asyncio.Queue[int](), asyncio.Event()

    async def run_once():
        turns.put_nowait(1)
        if turns.qsize() == 1:
            bell.set()

    task = asyncio.create_task(keep_doing("a-service", run_once, bell=bell, pause_s=60))
    async with asyncio.timeout(PATIENCE_S):
        while turns.qsize() < 2:
            await asyncio.sleep(0.001)
    task.cancel()


async def test_foreseen_trouble_is_tried_again():
    calls, done = [], asyncio.Event()

    async def run_once():
        calls.append(1)
        if len(calls) == 1:
            raise Unavailable("the store is down")
        done.set()

    task = asyncio.create_task(keep_doing("a-service", run_once))
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    task.cancel()


async def test_a_stop_is_not_lost_in_trouble_that_it_makes():
    began = asyncio.Event()

    async def run_once():
        if began.is_set():
            return
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Unavailable("the connection went while it was closed") from None

    task = asyncio.create_task(keep_doing("a-service", run_once))
    await began.wait()
    task.cancel()
    await asyncio.wait([task], timeout=PATIENCE_S)
    was_cancelled = task.cancelled()
    task.cancel()
    assert was_cancelled


async def test_a_bug_ends_the_doer():
    async def run_once():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await keep_doing("a-service", run_once)


@given(st.integers(0, 10_000))
def test_a_pause_after_trouble_is_bounded(trouble):
    assert 0 < pause_after(trouble) <= LONGEST_PAUSE_S


@given(st.integers(1, 6))
def test_a_pause_doubles_with_each_failure_up_to_the_longest(failures):
    assert 2**failures / 4 <= pause_after(failures, first_s=1, longest_s=100) <= 2**failures / 2
    assert 2 <= pause_after(failures + 3, first_s=1, longest_s=4) <= 4

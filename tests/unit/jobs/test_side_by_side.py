import asyncio

import pytest

from gateway.errors import Unavailable
from gateway.jobs.side_by_side import for_each
from tests.patience import PATIENCE_S


async def test_no_more_than_so_many_are_done_at_once_and_all_are_done():
    under_way, most, done = 0, 0, []

    async def do(thing: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        done.append(thing)

    await for_each(range(20), do, at_once=3)
    assert (most, sorted(done)) == (3, list(range(20)))


async def test_a_failure_is_raised_once_all_others_are_done():
    done = []

    async def do(thing: int) -> None:
        await asyncio.sleep(0)
        if thing % 7 == 3:
            raise ValueError(thing)
        done.append(thing)

    with pytest.raises(ValueError, match="3"):
        await for_each(range(20), do, at_once=3)
    assert len(done) == 17


async def test_a_bug_is_not_hidden_by_trouble_that_came_before_it():
    async def do(error: Exception) -> None:
        raise error

    with pytest.raises(ZeroDivisionError):
        await for_each([Unavailable("It is down."), ZeroDivisionError()], do, at_once=1)


async def test_no_more_tasks_are_made_than_there_are_things():
    seen = []

    async def do(_: int) -> None:
        seen.append(len(asyncio.all_tasks()))

    await for_each([1, 2], do, at_once=100)
    assert max(seen) <= 3


async def test_a_cancel_ends_those_that_are_under_way():
    ended: list[int] = []
    began = asyncio.Semaphore(0)

    async def do(thing: int) -> None:
        began.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(thing)

    task = asyncio.create_task(for_each(range(20), do, at_once=3))
    for _ in range(3):
        await asyncio.wait_for(began.acquire(), PATIENCE_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ended) == [0, 1, 2]

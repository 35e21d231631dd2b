"""Many waits with a deadline each, and one timer for all."""

import asyncio

import pytest

from gateway.api.bodies.patience import Patience

LONG_S = 60.0
SHORT_S = 0.02


def in_(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def wait(patience: Patience, seconds: float, what: "asyncio.Future[str]") -> str:
    patience.deadline = in_(seconds)
    with patience:
        return await what


def a_future() -> "asyncio.Future[str]":
    return asyncio.get_running_loop().create_future()


async def test_a_wait_ends_with_what_it_waits_for() -> None:
    future = a_future()
    asyncio.get_running_loop().call_soon(future.set_result, "here")
    assert await wait(Patience(), LONG_S, future) == "here"


async def test_a_wait_that_lasts_too_long_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        await wait(Patience(), SHORT_S, a_future())


async def test_behind_a_timeout_the_task_is_not_cancelled() -> None:
    with pytest.raises(TimeoutError):
        await wait(Patience(), SHORT_S, a_future())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_deadline_of_an_earlier_wait_ends_no_later_one() -> None:
    patience, now = Patience(), a_future()
    now.set_result("at once")
    await wait(patience, SHORT_S, now)
    late = a_future()
    asyncio.get_running_loop().call_later(3 * SHORT_S, late.set_result, "late")
    assert await wait(patience, LONG_S, late) == "late"


async def test_the_one_timer_is_set_again_for_a_later_deadline() -> None:
    patience, now = Patience(), a_future()
    now.set_result("at once")
    await wait(patience, SHORT_S, now)
    with pytest.raises(TimeoutError):
        await wait(patience, 3 * SHORT_S, a_future())


async def test_a_later_wait_has_its_deadline_though_the_timer_went_off_before() -> None:
    patience = Patience()
    for future in (a_future(), a_future()):
        with pytest.raises(TimeoutError):
            await wait(patience, SHORT_S, future)


async def test_time_outside_of_it_is_nobodys() -> None:
    patience, now, timer_went_off = Patience(), a_future(), asyncio.Event()
    loop, failures = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _loop, context: failures.append(context))
    now.set_result("at once")
    await wait(patience, SHORT_S, now)
    loop.call_later(2 * SHORT_S, timer_went_off.set)
    await timer_went_off.wait()
    assert not failures


async def test_each_wait_may_be_of_another_task() -> None:
    patience = Patience()
    with pytest.raises(TimeoutError):
        await wait(patience, SHORT_S, a_future())
    with pytest.raises(TimeoutError):
        await asyncio.create_task(wait(patience, SHORT_S, a_future()))


async def test_a_cancellation_comes_through() -> None:
    task = asyncio.create_task(wait(Patience(), LONG_S, a_future()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_comes_through_behind_a_timeout() -> None:
    patience = Patience()
    with pytest.raises(TimeoutError):
        await wait(patience, SHORT_S, a_future())
    task = asyncio.create_task(wait(patience, LONG_S, a_future()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_goes_before_a_deadline_of_the_same_instant() -> None:
    task = asyncio.create_task(wait(Patience(), 0, a_future()))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_at(in_(0), task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_ends_the_wait_otherwise_is_raised() -> None:
    future = a_future()
    asyncio.get_running_loop().call_soon(future.set_exception, ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await wait(Patience(), LONG_S, future)

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import pytest
from attrs import define

from gateway.background import Background
from tests.patience import PATIENCE_S


@define
class AService:
    work: Callable[[], Awaitable[object]]
    name: str = "a-service"

    async def run(self) -> None:
        await self.work()


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_service_runs_as_long_as_its_context():
    started, stopped = asyncio.Event(), asyncio.Event()

    async def work():
        started.set()
        try:
            await for_ever()
        finally:
            stopped.set()

    background = Background()
    async with background.running(AService(work)):
        await asyncio.wait_for(started.wait(), PATIENCE_S)
    assert stopped.is_set()
    assert background.crashed is None


async def raise_a_bug():
    raise ZeroDivisionError


async def return_at_once():
    return None


async def raise_a_foreign_cancellation():
    raise asyncio.CancelledError


@pytest.mark.parametrize("work", [raise_a_bug, return_at_once, raise_a_foreign_cancellation])
async def test_a_service_that_ends_by_itself_makes_the_process_stop(work):
    background = Background()
    async with background.running(AService(work)):
        await asyncio.wait_for(background.stopping.wait(), PATIENCE_S)
    assert background.crashed == "a-service"


async def test_the_first_crash_is_the_one_that_is_told():
    background = Background()
    async with background.running(AService(raise_a_bug, "first")):
        await asyncio.wait_for(background.stopping.wait(), PATIENCE_S)
        async with background.running(AService(raise_a_bug, "second")):
            await asyncio.sleep(0)
    assert background.crashed == "first"


async def outlast(release: asyncio.Event) -> None:
    """Does not heed a cancellation."""
    while not release.is_set():
        with suppress(asyncio.CancelledError):
            await release.wait()


async def test_a_service_that_does_not_stop_holds_up_the_end_for_a_bounded_time():
    release = asyncio.Event()
    stubborn = partial(outlast, release)
    background = Background(stop_timeout_s=0.05)
    async with asyncio.timeout(PATIENCE_S):
        async with background.running(AService(stubborn)):
            await asyncio.sleep(0)
    release.set()


async def test_stubborn_services_share_one_deadline():
    release = asyncio.Event()
    stubborn = partial(outlast, release)
    background = Background(stop_timeout_s=0.5)
    async with asyncio.timeout(10 * background.stop_timeout_s):
        async with background.running(*(AService(stubborn, f"service-{n}") for n in range(20))):
            await asyncio.sleep(0)
    release.set()


async def test_cancelling_the_owner_stops_the_service():
    stopped = asyncio.Event()

    async def work():
        try:
            await for_ever()
        finally:
            stopped.set()

    async def owner():
        async with Background().running(AService(work)):
            await for_ever()

    task = asyncio.create_task(owner())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()

"""Work that a cancellation does not leave half done."""

import asyncio

import pytest
from attrs import define, field

from gateway.cancellation import is_being_cancelled, to_its_end
from tests.patience import PATIENCE_S


@define(eq=False)
class Work:
    """It ends once it may, with a result or with an error."""

    error: BaseException | None = None
    has_begun: asyncio.Event = field(factory=asyncio.Event)
    may_end: asyncio.Event = field(factory=asyncio.Event)
    outcome: str = "under way"

    async def __call__(self) -> str:
        self.has_begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.outcome = "cancelled"
            raise
        self.outcome = "done"
        if self.error is not None:
            raise self.error
        return "result"


async def begun(work: Work, *, grace_s: float = PATIENCE_S) -> "asyncio.Task[str]":
    task = asyncio.create_task(to_its_end(work(), grace_s=grace_s))
    await work.has_begun.wait()
    return task


async def ended(task: "asyncio.Task[str]") -> None:
    done, _ = await asyncio.wait((task,), timeout=PATIENCE_S)
    assert done


async def test_its_result_is_returned() -> None:
    work = Work()
    task = await begun(work)
    work.may_end.set()
    assert await task == "result"


async def test_its_error_is_raised() -> None:
    work = Work(ValueError("broken"))
    task = await begun(work)
    work.may_end.set()
    with pytest.raises(ValueError, match="broken"):
        await task


@pytest.mark.parametrize("times", [1, 2])
async def test_who_is_cancelled_ends_once_the_work_has_and_not_before(times: int) -> None:
    work = Work()
    task = await begun(work)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert (task.done(), work.outcome) == (False, "under way")
    work.may_end.set()
    await ended(task)
    assert (task.cancelled(), work.outcome) == (True, "done")


async def test_an_error_comes_before_a_cancellation() -> None:
    work = Work(ValueError("broken"))
    task = await begun(work)
    task.cancel()
    await asyncio.sleep(0)
    work.may_end.set()
    await ended(task)
    assert isinstance(task.exception(), ValueError)


async def test_a_wait_that_a_library_ended_by_a_bare_cancellation_is_no_cancellation_of_ours() -> None:
    work = Work(asyncio.CancelledError())
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await to_its_end(work(), grace_s=PATIENCE_S)
    assert not is_being_cancelled()


async def test_work_that_takes_longer_than_its_grace_is_cancelled() -> None:
    work = Work()
    task = await begun(work, grace_s=0.01)
    task.cancel()
    await ended(task)
    assert (task.cancelled(), work.outcome) == (True, "cancelled")


async def test_its_grace_begins_with_the_cancellation() -> None:
    work = Work()
    task = await begun(work, grace_s=0)
    await asyncio.sleep(0.01)
    work.may_end.set()
    assert await task == "result"

"""Whether a CancelledError is a cancellation of ours, and what may still be ended when one comes.

aiormq and aiohttp end their waits by a bare one when a connection of theirs goes; a cancellation that is meant for the
task is one that it counts (`asyncio.Task.cancelling`).
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def times_cancelled() -> int:
    """How often this task was asked to end: taken before a wait, it tells afterwards whether that came meanwhile."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def is_being_cancelled() -> bool:
    """Whether this task was asked to end."""
    return times_cancelled() > 0


async def to_its_end(work: Coroutine[Any, Any, T], *, grace_s: float) -> T:
    """What `work` returns, which is not left half done: if this task is cancelled meanwhile, `work` has `grace_s` more.

    Then it is cancelled as well. The cancellation is passed on once it has ended, but for an error that it raises.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await _ended(task, grace_s)
        if not task.cancelled():
            task.result()
        raise


async def _ended(task: "asyncio.Task[T]", grace_s: float) -> None:
    """However often this one is cancelled meanwhile."""
    end = asyncio.get_running_loop().call_later(grace_s, task.cancel)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    end.cancel()

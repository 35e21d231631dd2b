"""Whether a CancelledError is a cancellation of ours.

aiormq and aiohttp end their waits by a bare one when a connection of theirs goes; a cancellation that is meant for the
task is one that it counts (`asyncio.Task.cancelling`).
"""

import asyncio


def times_cancelled() -> int:
    """How often this task was asked to end: taken before a wait, it tells afterwards whether that came meanwhile."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def is_being_cancelled() -> bool:
    """Whether this task was asked to end."""
    return times_cancelled() > 0

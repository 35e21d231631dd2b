"""What is over is gone at once where nothing of it is a circle of garbage, which stays until a collection.

with nothing_collected():
    ...
    await gone(Peer, Follower)
"""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.patience import PATIENCE_S


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Circles of garbage stay until its end."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def alive(*kinds: type) -> list[str]:
    """The names of the types of those that are there."""
    return sorted(type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds))


async def gone(*kinds: type) -> None:
    """Wait until nothing of these types is there."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while alive(*kinds):
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"there is still {alive(*kinds)}")

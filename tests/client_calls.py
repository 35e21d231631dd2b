"""Calls of the Python client that follow: all that they tell, and why they have had to wait."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from gateway.client import ClientError

T = TypeVar("T")

DEADLINE_S = 90
SOON_S = 30
"""For what would never end where it fails: far longer than it takes, far shorter than any test may."""


class Waits:
    """Give it as `on_wait`."""

    def __init__(self) -> None:
        self.reasons: list[ClientError] = []
        self.some = asyncio.Event()

    def __call__(self, reason: ClientError) -> None:
        self.reasons.append(reason)
        self.some.set()


async def nothing(_: object) -> None:
    pass


async def all_of(coming: AsyncGenerator[T, None], act: Callable[[T], Awaitable[None]] = nothing) -> list[T]:
    """What comes, until its end; `act` is called with each."""
    told = []
    async with asyncio.timeout(DEADLINE_S):
        async for each in coming:
            told.append(each)
            await act(each)
    return told

"""Several of one kind at once, within a bound; a failure of one does not hold up the others."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from gateway.errors import GatewayError

T = TypeVar("T")


async def for_each(things: Collection[T], do: Callable[[T], Awaitable[object]], *, at_once: int) -> None:
    """Do it for every thing, at most `at_once` at a time. Raises the first error once all have ended.

    A bug among them comes before foreseen trouble, which would have it tried again.
    """
    left = iter(things)
    errors: list[Exception] = []

    async def work() -> None:
        for thing in left:
            try:
                await do(thing)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(at_once, len(things))):
            workers.create_task(work())
    if errors:
        bugs = (error for error in errors if not isinstance(error, GatewayError))
        raise next(bugs, errors[0])

"""Connections that have a place at a gateway."""

import asyncio
from contextlib import AsyncExitStack

from tests.patience import PATIENCE_S
from tests.servers.raw_http import Line, connection, head

HEALTH = head("GET", "/healthz")


async def opened(stack: AsyncExitStack, port: int, count: int) -> list[Line]:
    """So many connections that have a place: on each a request was answered."""
    return [await _placed(stack, port) for _ in range(count)]


async def _placed(stack: AsyncExitStack, port: int) -> Line:
    """One more; where another, that has just ended, is still counted, the next one or the one after."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            line = await stack.enter_async_context(connection(port))
            await line.send(HEALTH)
            answer = await line.answer()
            assert answer.status == 200
            if answer.headers.get("connection") != "close":
                return line

"""Channels: one for each purpose, because a mistake on one ends it with all that is under way on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiormq import Connection
from aiormq.abc import AbstractChannel

from gateway.adapters.broker.rabbitmq.errors import cancellation_kept

_CLOSED_S: Final = 0.5
"""What a cancelled question waits for the good-bye of its channel."""


@asynccontextmanager
async def a_channel(connection: Connection) -> AsyncIterator[AbstractChannel]:
    """A channel for a few questions. It has no deadline of its own, and raises what aiormq raises."""
    with cancellation_kept():
        channel = await connection.channel(publisher_confirms=False)
        try:
            yield channel
        finally:
            if not channel.is_closed:
                await _close(channel)


async def _close(channel: AbstractChannel) -> None:
    """aiormq, when it is cancelled here, says good-bye once more, and RabbitMQ ends the connection for that."""
    closing = asyncio.ensure_future(channel.close())
    closing.add_done_callback(_take_note)
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await asyncio.wait({closing}, timeout=_CLOSED_S)
        closing.cancel()
        raise


def _take_note(closing: "asyncio.Future[Any]") -> None:
    """How it ended after a cancellation is of no interest; asyncio would log it as forgotten."""
    if not closing.cancelled():
        closing.exception()

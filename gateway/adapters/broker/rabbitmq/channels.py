"""Channels: one for each purpose, because a mistake on one ends it with all that is under way on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiormq import Connection
from aiormq.abc import AbstractChannel


@asynccontextmanager
async def a_channel(connection: Connection) -> AsyncIterator[AbstractChannel]:
    """A channel for a few questions. It has no deadline of its own, and raises what aiormq raises."""
    channel = await connection.channel(publisher_confirms=False)
    try:
        yield channel
    finally:
        if not channel.is_closed:
            await channel.close()

"""An application of aiohttp, or what is built like one, on a free port of this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def listening(runner: web.BaseRunner) -> AsyncIterator[int]:
    """The port. Leaving closes it and lets requests in hand end, as long as the runner bears with them."""
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()

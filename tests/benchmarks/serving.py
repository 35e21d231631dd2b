"""Applications that something is compared with, each in a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.benchmarks.posting import HOST
from tests.free_ports import free_port

PATIENCE_S = 30


@asynccontextmanager
async def serving(module: str, *arguments: str) -> AsyncIterator[int]:
    """The port of the application that `python -m module [ARGUMENTS] PORT` serves."""
    port = free_port()
    application = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, str(port), cwd=Path(__file__).parents[2]
    )
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
            while not await _is_ready(http, port):
                await asyncio.sleep(0.02)
        yield port
    finally:
        application.kill()
        await application.wait()


async def _is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://{HOST}:{port}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False

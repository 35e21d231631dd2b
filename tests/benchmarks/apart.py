"""The clients of a benchmark in processes of their own: a sender beside the server would be measured with it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

_PATIENCE_S: Final = 60


async def told_by(module: str, *arguments: object, body: bytes = b"") -> Any:
    """What that module of this folder prints, one JSON value, once it has ended. Raises RuntimeError if it failed."""
    async with running(module, *arguments) as process:
        told, _ = await process.communicate(body)
    if process.returncode:
        raise RuntimeError(f"tests.benchmarks.{module} failed")
    return json.loads(told)


@asynccontextmanager
async def at_work(module: str, *arguments: object) -> AsyncIterator[list[Any]]:
    """From its first line on, until this is left: then its input ends, and what it prints is added to the list."""
    told: list[Any] = []
    async with running(module, *arguments) as process:
        assert process.stdout is not None
        async with asyncio.timeout(_PATIENCE_S):
            await process.stdout.readline()
        yield told
        last, _ = await process.communicate(b"")  # without any bytes its input would stay open
    if process.returncode:
        raise RuntimeError(f"tests.benchmarks.{module} failed")
    told.append(json.loads(last))


@asynccontextmanager
async def running(module: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """It runs until it ends by itself, or this is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

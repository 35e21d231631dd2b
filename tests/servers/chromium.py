"""Headless Chromium, Debian's, as a private process with a profile of its own."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


@asynccontextmanager
async def chromium(folder: Path, address: str, *options: str) -> AsyncIterator[None]:
    """With `address` open and its profile in `folder/profile`.

    In a process group of its own, which ends with this context.
    """
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    with (folder / "chromium.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--disable-background-networking", "--no-first-run", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={folder / 'profile'}", *options, address,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

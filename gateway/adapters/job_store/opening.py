"""The job store that the settings name."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

import structlog

from gateway.adapters.job_store.settings import JobStoreSettings
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.errors import NoRoom
from gateway.pacing import pause_after

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_job_store(settings: JobStoreSettings, data_dir: Path) -> AsyncIterator[SqliteJobStore]:
    """At work until the context ends. A full disk is waited for: even to be read, the file needs a little room.

    Raises UnusableJobStore.
    """
    path = settings.file(data_dir)
    async with AsyncExitStack() as stack:
        yield await _once_there_is_room(stack, path, settings)


async def _once_there_is_room(
    stack: AsyncExitStack, path: Path, settings: JobStoreSettings
) -> SqliteJobStore:
    for failures in count(1):
        try:
            return await stack.enter_async_context(
                SqliteJobStore.open(path, synchronous=settings.synchronous)
            )
        except NoRoom as error:
            log.warning("no room to start", reason=str(error))
            await asyncio.sleep(pause_after(failures))
    raise AssertionError

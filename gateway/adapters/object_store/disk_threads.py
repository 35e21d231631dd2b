"""Blocking work on the disk in threads, with our deadline, and its errors as ours.

A thread that hangs in the kernel cannot be stopped. So whoever waits stops waiting, and what must not happen
afterwards is held by a lock of the file (`files.py`). The threads are our own: a dead disk must not take those
that asyncio resolves names with.
"""

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from attrs import define, field

from gateway.errors import GatewayError, NoRoom, Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

FULL = (errno.ENOSPC, errno.EDQUOT)


@define(eq=False)
class DiskThreads:
    """At most `count` threads, started as they are needed."""

    count: int
    _executor: ThreadPoolExecutor = field(init=False)
    _is_closed: bool = field(init=False, default=False)

    @_executor.default
    def _new_executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.count, thread_name_prefix="disk")

    async def run(self, function: Callable[..., T], *args: object, timeout_s: float) -> T:
        """Raises what the function raises; for an OSError NoRoom or Unavailable, the latter also when late.

        It may go on after its deadline, or after a cancellation.
        """
        if self._is_closed:
            raise Unavailable("The object storage is closed.")
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)
        except OSError as error:  # TimeoutError is one
            raise _in_our_words(error) from error

    async def clean_up(self, function: Callable[[], None], *, timeout_s: float) -> None:
        """Runs to its end whoever is cancelled meanwhile; waits for it as long as it may. An error is logged."""
        if self._is_closed:
            return
        work = asyncio.get_running_loop().run_in_executor(self._executor, function)
        work.add_done_callback(_log_failure)
        await asyncio.wait({work}, timeout=timeout_s)

    def close(self) -> None:
        """Takes no more work; what is under way ends by itself."""
        self._is_closed = True
        self._executor.shutdown(wait=False)


def _in_our_words(error: OSError) -> GatewayError:
    if error.errno in FULL:
        return NoRoom("No room is left in the object storage.", detail=str(error))
    if isinstance(error, TimeoutError):
        return Unavailable("The object storage does not answer in time.", detail=str(error))
    return Unavailable("The object storage does not work.", detail=str(error))


def _log_failure(work: asyncio.Future[None]) -> None:
    if not work.cancelled() and (error := work.exception()) is not None:
        log.warning("object storage could not clean up", error=str(error))

"""Questions asked in threads, each on a connection of its own; they never wait for the writer.

Each is one statement, so no reader is long and none keeps the WAL from being checkpointed.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

from gateway.adapters.job_store.faults import in_our_words
from gateway.adapters.job_store.writer import CLOSE_S, closed
from gateway.errors import Unavailable

T = TypeVar("T")

PATIENCE_S = 20.0


class Readers:
    """As many questions at once as there are connections; the others wait for their turn."""

    def __init__(self, connections: Sequence[sqlite3.Connection]) -> None:
        self._connections = tuple(connections)
        self._threads = ThreadPoolExecutor(len(connections), "job-store-reader")
        self._turns = asyncio.Semaphore(len(connections))
        self._free: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._closing = False
        for connection in connections:
            self._free.put(connection)

    async def run(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer, as of a moment after the call. Raises Unavailable, and what the question raises."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._turns:
                if self._closing:
                    raise closed()
                return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)
        except TimeoutError as error:
            raise Unavailable("The job store does not answer.", detail="a read took too long") from error
        except sqlite3.Error as error:
            raise in_our_words(error) from error

    async def close(self) -> None:
        """Let the questions that were begun be answered, then close the connections."""
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._free.get()
        try:
            return question(connection)
        finally:
            self._free.put(connection)

"""Questions asked in threads, each on a connection of its own; they never wait for the writer.

Each is one statement, so no reader is long and none keeps the WAL from being checkpointed.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from gateway.adapters.job_store.faults import in_our_words
from gateway.adapters.job_store.writer import CLOSE_S, closed
from gateway.errors import Unavailable

T = TypeVar("T")

PATIENCE_S = 20.0


class Readers:
    """As many questions at once as there are connections; the others wait for their turn."""

    def __init__(self, connections: Sequence[sqlite3.Connection], close_s: float = CLOSE_S) -> None:
        self._close_s = close_s
        self._connections = tuple(connections)
        self._threads = ThreadPoolExecutor(len(connections), "job-store-reader")
        self._free: asyncio.Queue[sqlite3.Connection] = asyncio.Queue()
        self._closing = False
        for connection in connections:
            self._free.put_nowait(connection)

    async def run(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer, as of a moment after the call. Raises Unavailable, and what the question raises.

        A question that nobody waits for any more is broken off.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._ask(question, await self._free.get())
        except TimeoutError as error:
            raise Unavailable("The job store does not answer.", detail="a read took too long") from error
        except sqlite3.Error as error:
            raise in_our_words(error) from error

    async def close(self) -> None:
        """Let the questions that were begun be answered, break off those that take long, and close; once."""
        if self._closing:
            return
        self._closing = True
        if not await self._have_ended():
            for connection in self._connections:
                connection.interrupt()
            await self._have_ended()  # a connection that is closed under a question may crash the process
        for connection in self._connections:
            connection.close()

    async def _have_ended(self) -> bool:
        """Whether the threads have, by the end of a wait for them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._close_s):
                await asyncio.to_thread(self._threads.shutdown)
                return True
        return False

    async def _ask(self, question: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
        answer = self._begin(question, connection)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            if not answer.done():  # else the connection may be another question's by now
                connection.interrupt()
            raise

    def _begin(
        self, question: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection
    ) -> asyncio.Future[T]:
        """The connection is free again when its thread is done with it, whoever waits for the answer."""
        try:
            if self._closing:
                raise closed()
            answer = asyncio.get_running_loop().run_in_executor(self._threads, question, connection)
        except BaseException:
            self._free.put_nowait(connection)
            raise
        answer.add_done_callback(lambda answer: self._end(answer, connection))
        return answer

    def _end(self, answer: asyncio.Future[T], connection: sqlite3.Connection) -> None:
        self._free.put_nowait(connection)
        if not answer.cancelled():
            answer.exception()  # looked at here, for nobody else may be left to do so

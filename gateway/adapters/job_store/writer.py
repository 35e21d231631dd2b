"""The one thread that writes, with group commit.

It takes everything that waits, runs it in one transaction, commits (one sync of the disk), and wakes all waiters by
one call into the event loop. While it syncs, the next group gathers: the more writers wait, the less a commit costs
each. Before it takes the next group it lets those that it woke have their turn, so that what they write next joins
that group: without it, two halves of the writers would take turns, each paying for a sync of its own.

A write whose waiter leaves before its group began is not made; afterwards it is made, and told by `on_commit` alone.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar, cast

import structlog
from attrs import define

from gateway.adapters.job_store.faults import fails_the_group, in_our_words
from gateway.adapters.job_store.unit_of_work import UnitOfWork
from gateway.errors import Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

MAX_WAITING = 1_024  # further writers wait outside, in the order of their coming
MAX_GROUP = 256  # bounds what a group's rows hold in memory, and how long its first waiter waits for the last
PATIENCE_S = 20.0  # for a write's turn to come: a healthy disk takes milliseconds
CLOSE_S = 10.0
TURN_S = 0.002  # for those who were woken to go on; a loop that is busy for longer must not hold up the disk


@define(eq=False)
class _Write(Generic[T]):
    """What is to be done, who waits for it, until when its turn must have come; then what came of it."""

    operation: Callable[[UnitOfWork], T]
    on_commit: Callable[[T], None]
    waiter: "asyncio.Future[T]"
    until: float
    value: T | None = None
    error: Exception | None = None

    def attempt(self, unit: UnitOfWork) -> None:
        """An operation that raises fails alone; SQLite's own errors concern the whole group."""
        self.error = None
        try:
            self.value = self.operation(unit)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - the waiter gets it
            self.error = error

    def tell(self) -> None:
        if self.error is None:
            self._tell_committed()
        if self.waiter.done():
            return
        if self.error is None:
            self.waiter.set_result(cast(T, self.value))
        else:
            self.waiter.set_exception(self.error)

    def _tell_committed(self) -> None:
        """A bug in there changes nothing of what is committed, and keeps nobody else from hearing of theirs."""
        try:
            self.on_commit(cast(T, self.value))
        except Exception:
            log.exception("a commit was not told")


class Writer:
    """Owns the writing connection and its thread from `start` to `close`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        begin: Callable[[], UnitOfWork],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._connection = connection
        self._begin = begin
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._waiting: deque[_Write[Any]] = deque()
        self._wakes = threading.Condition()
        self._closing = False
        self._turn_is_over = True
        self._watch: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="job-store-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def run(
        self, operation: Callable[[UnitOfWork], T], on_commit: Callable[[T], None] = lambda _: None
    ) -> T:
        """What the operation returns, once it is committed with its group, or what it raises.

        `on_commit` is called with it first, in the event loop, whether or not the caller still waits.
        Raises NoRoom and Unavailable when the group could not be committed: then nothing of it was.
        """
        await self._find_room()
        until = self._loop.time() + self._patience_s
        write: _Write[T] = _Write(operation, on_commit, self._loop.create_future(), until)
        try:
            self._hand_over(write)
            return await write.waiter
        except asyncio.CancelledError:
            self._withdraw(write)
            raise
        finally:
            self._room.release()

    async def close(self) -> None:
        """Make the writes that wait, then end thread and connection; a sync that hangs is left behind."""
        with self._wakes:
            self._closing = True
            self._wakes.notify()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._ended.wait()

    async def _find_room(self) -> None:
        if not self._room.locked():
            await self._room.acquire()  # at once: a deadline would cost more than the write
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._room.acquire()
        except TimeoutError as error:
            raise self._too_busy() from error

    def _hand_over(self, write: _Write[Any]) -> None:
        with self._wakes:
            if self._closing:
                raise closed()
            self._waiting.append(write)
            if self._turn_is_over:
                self._wakes.notify()
        if self._watch is None:
            self._watch = self._loop.call_at(write.until, self._give_up_the_late)

    def _withdraw(self, write: _Write[Any]) -> None:
        """Take it back, unless its group has begun."""
        with self._wakes, suppress(ValueError):
            self._waiting.remove(write)

    def _give_up_the_late(self) -> None:
        """Their turn did not come. Once a group has begun, only its commit's outcome says what became of it."""
        late, now = [], self._loop.time()
        with self._wakes:
            while self._waiting and self._waiting[0].until <= now:
                late.append(self._waiting.popleft())
            until = self._waiting[0].until if self._waiting else None
        self._watch = None if until is None else self._loop.call_at(until, self._give_up_the_late)
        for write in late:
            write.error = self._too_busy()
            write.tell()

    def _work(self) -> None:
        while group := self._next_group():
            self._settle(group)
            self._wake(group)
        self._connection.close()
        with suppress(RuntimeError):  # the loop is gone
            self._loop.call_soon_threadsafe(self._ended.set)

    def _next_group(self) -> list[_Write[Any]]:
        """All that waits, up to a bound; empty when everything is done and no more may come."""
        with self._wakes:
            self._wakes.wait_for(lambda: self._turn_is_over, TURN_S)
            while not self._waiting and not self._closing:
                self._wakes.wait()
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_GROUP))]

    def _settle(self, group: Sequence[_Write[Any]]) -> None:
        try:
            self._commit(group)
        except Exception as error:  # noqa: BLE001 - the waiters get it
            if len(group) == 1 or fails_the_group(error):
                for write in group:
                    write.error = in_our_words(error)
            else:  # one of them breaks a rule of the tables: each on its own, so that it fails alone
                for write in group:
                    self._settle([write])

    def _commit(self, group: Sequence[_Write[Any]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            unit = self._begin()
            for write in group:
                write.attempt(unit)
            unit.write()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a disk fault has rolled back already
                self._connection.execute("ROLLBACK")
            raise
        unit.committed()

    def _wake(self, group: Sequence[_Write[Any]]) -> None:
        self._turn_is_over = False
        with suppress(RuntimeError):  # the loop is gone, and all who waited with it
            self._loop.call_soon_threadsafe(self._tell, group)

    def _tell(self, group: Sequence[_Write[Any]]) -> None:
        for write in group:
            write.tell()
        # Behind the first steps of the tasks that have just been woken.
        self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        with self._wakes:
            self._turn_is_over = True
            self._wakes.notify()

    def _too_busy(self) -> Unavailable:
        detail = f"no turn to write came in {self._patience_s:g} s"
        return Unavailable("The job store is too busy.", detail=detail)


def closed() -> Unavailable:
    return Unavailable("The job store is closed.")

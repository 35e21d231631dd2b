"""The one thread that writes, with group commit.

It takes everything that waits, runs it in one transaction, commits (one sync of the disk), and wakes all waiters by
one call into the event loop. While it syncs, the next group gathers: the more writers wait, the less a commit costs
each. Before it takes the next group it lets those that it woke have their turn, so that what they write next joins
that group: without it, two halves of the writers would take turns, each paying for a sync of its own.

A write whose waiter leaves before its group began is not made; afterwards it is made, and nobody is told.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from attrs import define, frozen

from gateway.adapters.job_store.faults import fails_the_group, in_our_words
from gateway.adapters.job_store.unit_of_work import UnitOfWork
from gateway.errors import Unavailable

T = TypeVar("T")

MAX_WAITING = 1_024  # further writers wait outside, in the order of their coming
MAX_GROUP = 256  # bounds what a group's rows hold in memory, and how long its first waiter waits for the last
PATIENCE_S = 20.0  # for a write's turn to come: a healthy disk takes milliseconds
CLOSE_S = 10.0
TURN_S = 0.002  # for those who were woken to go on; a loop that is busy for longer must not hold up the disk


@define(eq=False)
class _Write(Generic[T]):
    operation: Callable[[UnitOfWork], T]
    waiter: "asyncio.Future[T]"


@frozen
class _Outcome:
    value: Any = None
    error: Exception | None = None


class Writer:
    """Owns the writing connection and its thread from `start` to `close`."""

    def __init__(self, connection: sqlite3.Connection, begin: Callable[[], UnitOfWork]) -> None:
        self._connection = connection
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._waiting: deque[_Write[Any]] = deque()
        self._wakes = threading.Condition()
        self._closing = False
        self._turn_is_over = True
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="job-store-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def run(self, operation: Callable[[UnitOfWork], T]) -> T:
        """What the operation returns, once it is committed with its group, or what it raises.

        Raises NoRoom and Unavailable when the group could not be committed: then nothing of it was.
        """
        await self._find_room()
        try:
            return await self._outcome_of(_Write(operation, self._loop.create_future()))
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
            async with asyncio.timeout(PATIENCE_S):
                await self._room.acquire()
        except TimeoutError as error:
            raise _too_busy() from error

    async def _outcome_of(self, write: _Write[T]) -> T:
        self._hand_over(write)
        patience = self._loop.call_later(PATIENCE_S, self._give_up, write)
        try:
            return await write.waiter
        except asyncio.CancelledError:
            self._withdraw(write)
            raise
        finally:
            patience.cancel()

    def _hand_over(self, write: _Write[Any]) -> None:
        with self._wakes:
            if self._closing:
                raise closed()
            self._waiting.append(write)
            if self._turn_is_over:
                self._wakes.notify()

    def _withdraw(self, write: _Write[Any]) -> bool:
        """Take it back; False when its group has begun."""
        with self._wakes, suppress(ValueError):
            self._waiting.remove(write)
            return True
        return False

    def _give_up(self, write: _Write[Any]) -> None:
        """Its turn did not come. Once its group has begun, only the commit's outcome says what became of it."""
        if self._withdraw(write):
            write.waiter.set_exception(_too_busy())

    def _work(self) -> None:
        while group := self._next_group():
            self._wake(group, self._settle(group))
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

    def _settle(self, group: Sequence[_Write[Any]]) -> list[_Outcome]:
        try:
            return self._commit(group)
        except Exception as error:  # noqa: BLE001 - the waiters get it
            if len(group) == 1 or fails_the_group(error):
                return [_Outcome(error=in_our_words(error)) for _ in group]
        # One of them breaks a rule of the tables: each on its own, so that it fails alone.
        return [outcome for write in group for outcome in self._settle([write])]

    def _commit(self, group: Sequence[_Write[Any]]) -> list[_Outcome]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            unit = self._begin()
            outcomes = [_attempt(write, unit) for write in group]
            unit.write()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a disk fault has rolled back already
                self._connection.execute("ROLLBACK")
            raise
        unit.committed()
        return outcomes

    def _wake(self, group: Sequence[_Write[Any]], outcomes: Sequence[_Outcome]) -> None:
        self._turn_is_over = False
        with suppress(RuntimeError):  # the loop is gone, and all who waited with it
            self._loop.call_soon_threadsafe(self._tell, group, outcomes)

    def _tell(self, group: Sequence[_Write[Any]], outcomes: Sequence[_Outcome]) -> None:
        for write, outcome in zip(group, outcomes, strict=True):
            _settle_waiter(write.waiter, outcome)
        # Behind the first steps of the tasks that have just been woken.
        self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        with self._wakes:
            self._turn_is_over = True
            self._wakes.notify()


def _attempt(write: _Write[Any], unit: UnitOfWork) -> _Outcome:
    """An operation that raises fails alone; SQLite's own errors concern the whole group."""
    try:
        return _Outcome(write.operation(unit))
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - the waiter gets it
        return _Outcome(error=error)


def _settle_waiter(waiter: "asyncio.Future[Any]", outcome: _Outcome) -> None:
    if waiter.done():
        return
    if outcome.error is None:
        waiter.set_result(outcome.value)
    else:
        waiter.set_exception(outcome.error)


def _too_busy() -> Unavailable:
    return Unavailable("The job store is too busy.", detail=f"no turn to write came in {PATIENCE_S:g} s")


def closed() -> Unavailable:
    return Unavailable("The job store is closed.")

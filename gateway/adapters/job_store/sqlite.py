"""Jobs in one SQLite file, for one gateway: WAL, synchronous FULL, so what returned survives a power cut.

Writes go through one thread with group commit (`writer.py`), questions through a few read-only connections
(`readers.py`). Jobs that were used last are kept in memory as committed (`recent.py`).
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from gateway.adapters.job_store import backlog, queries, reuse, search
from gateway.adapters.job_store import companions as beside
from gateway.adapters.job_store.database import Database, open_database
from gateway.adapters.job_store.leases import ProcessLeases
from gateway.adapters.job_store.readers import Readers
from gateway.adapters.job_store.recent import RecentJobs
from gateway.adapters.job_store.settings import Synchronous
from gateway.adapters.job_store.unit_of_work import UnitOfWork
from gateway.adapters.job_store.withdrawn import WithdrawnJobs
from gateway.adapters.job_store.writer import Writer, closed
from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Change, Event
from gateway.domain.image_query import ImageQuery
from gateway.domain.job import Job, Stage, Status
from gateway.domain.options import BatchOptions
from gateway.domain.receipt import Answer
from gateway.domain.reuse import Analysed
from gateway.errors import NoRoom
from gateway.ports.dead_letters import DeadLetterPage
from gateway.ports.image_search import ImagePage
from gateway.ports.job_store import Companion, JobPage, OnCommit, unheard


class SqliteJobStore:
    """Fulfils all the ports that keep something of jobs, from JobStore and EventLog to Answers and Leases."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent = RecentJobs()
        self._readers = Readers(database.readers)
        self._searchers = Readers(database.searchers)
        keys = itertools.count(database.next_key)
        standing: set[str] = set()
        self._withdrawn = WithdrawnJobs()
        self._writer = Writer(
            database.writer,
            lambda: UnitOfWork(database.writer, self._recent, standing, keys, self._withdrawn),
        )
        self._leases = ProcessLeases()
        self._is_open = True

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, *, synchronous: Synchronous = "full") -> AsyncIterator["SqliteJobStore"]:
        """The store in that file, made when it is not there. Raises UnusableJobStore."""
        store = cls(await _open_in_thread(path, synchronous))
        store._writer.start()
        try:
            yield store
        finally:
            await store._close()

    async def _close(self) -> None:
        self._is_open = False
        try:
            await asyncio.gather(self._readers.close(), self._searchers.close())
        finally:
            try:
                await self._writer.close()  # the last connection to go checkpoints the WAL
            finally:
                self._database.lock.close()

    # JobStore

    async def add(
        self,
        accepted: Change,
        *,
        reserved: Sequence[str],
        companions: Sequence[Companion] = (),
        on_commit: OnCommit = unheard,
    ) -> None:
        await self._writer.run(
            lambda unit: unit.add(accepted, reserved, companions), lambda _: on_commit(accepted)
        )

    async def update(
        self,
        job_id: str,
        decide: Callable[[Job], Change | None],
        *,
        companions: Sequence[Companion] = (),
        on_commit: OnCommit = unheard,
    ) -> Change | None:
        return await self._writer.run(
            lambda unit: unit.update(job_id, decide, companions),
            lambda change: None if change is None else on_commit(change),
        )

    async def get(self, job_id: str) -> Job:
        if not self._is_open:
            raise closed()
        kept = self._recent.get(job_id)
        if kept is not None:
            return kept.job
        commits = self._recent.commits
        kept = await self._readers.run(partial(queries.job, job_id=job_id))
        if kept is None:
            raise queries.no_such_job(job_id)
        self._recent.was_read(kept, commits_before=commits)
        return kept.job

    async def page(self, *, limit: int, cursor: str | None = None, status: Status | None = None) -> JobPage:
        return await self._readers.run(partial(queries.page, limit=limit, cursor=cursor, status=status))

    async def retire(self, job_id: str) -> frozenset[str]:
        return await self._writer.run(lambda unit: unit.retire(job_id))

    async def delete(self, job_id: str, *, on_commit: Callable[[], None] = lambda: None) -> None:
        await self._writer.run(lambda unit: unit.delete(job_id), lambda _: on_commit())

    async def check(self) -> str:
        """Commits something small, for a disk that reads may no longer write."""
        await self._writer.run(lambda unit: unit.touch())
        return f"sqlite, WAL, synchronous {self._database.synchronous}"

    @property
    def warnings(self) -> Sequence[str]:
        return self._database.warnings

    # EventLog

    @property
    def epoch(self) -> str:
        return self._database.epoch

    async def events(self, job_id: str, *, after: int, limit: int) -> tuple[Event, ...]:
        return await self._readers.run(partial(queries.events, job_id=job_id, after=after, limit=limit))

    # ImageSearch

    async def find_images(self, query: ImageQuery, *, limit: int, cursor: str | None = None) -> ImagePage:
        return await self._searchers.run(partial(search.find_images, query=query, limit=limit, cursor=cursor))

    # AnalysedImages

    async def find_analysed(self, sha256s: Collection[str], options: BatchOptions) -> Mapping[str, Analysed]:
        return await self._readers.run(partial(reuse.find_analysed, sha256s=sha256s, options=options))

    async def withdraw(self, job_ids: Sequence[str]) -> frozenset[str]:
        jobs = await self._readers.run(partial(reuse.keys_of, job_ids=job_ids))
        self._withdrawn.add(jobs)
        await self._until_writes_have_ended()
        withdrawn = self._withdrawn.keys
        return await self._readers.run(
            partial(reuse.shared_with_others, mine=jobs.values(), withdrawn=withdrawn)
        )

    async def _until_writes_have_ended(self) -> None:
        """Those that were begun. On a full disk they fail, and what stands behind them with them: ended is ended."""
        with suppress(NoRoom):
            await self._writer.run(lambda unit: None)

    async def is_shared(self, processed_path: str) -> bool:
        return await self._readers.run(partial(reuse.is_shared, processed_path=processed_path))

    # Backlog

    async def to_fetch(
        self, now: datetime, *, limit: int, max_running: int, after: str | None = None
    ) -> Mapping[str, Sequence[int]]:
        return await self._due(Stage.FETCH, now, limit, max_running, after)

    async def to_publish(
        self, now: datetime, *, limit: int, max_running: int, after: str | None = None
    ) -> Mapping[str, Sequence[int]]:
        return await self._due(Stage.PUBLISH, now, limit, max_running, after)

    async def _due(
        self, stage: Stage, now: datetime, limit: int, max_running: int, after: str | None
    ) -> Mapping[str, Sequence[int]]:
        question = partial(
            backlog.due, stage=stage, now=now, limit=limit, max_running=max_running, after=after
        )
        return await self._readers.run(question)

    async def in_flight(self) -> int:
        return await self._readers.run(backlog.in_flight)

    async def open_images(self) -> Mapping[Stage, int]:
        return await self._readers.run(backlog.open_images)

    async def without_result(self, published_before: datetime, *, limit: int) -> Mapping[str, Sequence[int]]:
        return await self._readers.run(partial(backlog.without_result, before=published_before, limit=limit))

    async def accepted_before(self, moment: datetime, *, limit: int) -> Mapping[str, Sequence[int]]:
        return await self._readers.run(partial(backlog.accepted_before, moment=moment, limit=limit))

    async def forget_publishes(self) -> int:
        return await self._writer.run(lambda unit: unit.forget_publishes())

    async def take_back_publishes(self) -> int:
        return await self._writer.run(lambda unit: unit.take_back_publishes())

    async def interrupted(self, times: int) -> Mapping[str, Sequence[int]]:
        return await self._readers.run(partial(backlog.interrupted, times=times))

    async def ended_before(self, moment: datetime, *, limit: int) -> Sequence[str]:
        return await self._readers.run(partial(backlog.ended_before, moment=moment, limit=limit))

    # Reservations

    async def reserve(self, trace_ids: Sequence[str], *, deadline: datetime) -> None:
        await self._writer.run(lambda unit: unit.reserve(trace_ids, deadline))

    async def release(self, trace_ids: Sequence[str]) -> None:
        await self._writer.run(lambda unit: unit.release(trace_ids))

    async def claim(self, trace_ids: Sequence[str]) -> Sequence[str]:
        return await self._writer.run(lambda unit: unit.claim(trace_ids))

    async def overdue(self, now: datetime, *, limit: int) -> Sequence[str]:
        return await self._readers.run(partial(queries.overdue, now=now, limit=limit))

    # DeadLetterStore

    async def keep_letter(self, letter: DeadLetter) -> None:
        await self._writer.run(lambda unit: unit.keep_letter(letter))

    async def letter(self, dead_letter_id: str) -> DeadLetter:
        return await self._readers.run(partial(beside.letter, dead_letter_id=dead_letter_id))

    async def letters(self, *, limit: int, cursor: str | None = None) -> DeadLetterPage:
        return await self._readers.run(partial(beside.letters, limit=limit, cursor=cursor))

    async def delete_letter(self, dead_letter_id: str) -> None:
        await self._writer.run(lambda unit: unit.delete_letter(dead_letter_id))

    async def delete_letters(self) -> int:
        return await self._writer.run(lambda unit: unit.delete_letters())

    async def forget_letters(self, *, before: datetime) -> int:
        return await self._writer.run(lambda unit: unit.forget_letters(before))

    # Answers

    async def answer(self, key: str, *, now: datetime) -> Answer | None:
        return await self._readers.run(partial(beside.answer, key=key, now=now))

    async def forget_answers(self, *, before: datetime, limit: int) -> int:
        return await self._writer.run(lambda unit: unit.forget_answers(before, limit))

    # Leases

    async def acquire_lease(self, name: str, *, holder: str, now: datetime, until: datetime) -> bool:
        return await self._leases.acquire_lease(name, holder=holder, now=now, until=until)

    async def release_lease(self, name: str, *, holder: str) -> None:
        await self._leases.release_lease(name, holder=holder)


async def _open_in_thread(path: Path, synchronous: Synchronous) -> Database:
    """Opening is never left half done: when it is cancelled, the file is closed again first."""
    opening = asyncio.ensure_future(asyncio.to_thread(open_database, path, synchronous))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait((opening,))
        if opening.exception() is None:
            opening.result().close()
        raise

"""Servers of WebSocket subscribers, each for a process of its own: the gateway, and what it is compared with.

Their jobs lie in a job store like the gateway's, and images of them end when it is ordered, the first one first.
"""

import asyncio
import tempfile
import time
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Protocol, Self, cast

import structlog
import uvloop
from aiohttp import web
from attrs import define, field

from gateway import open_files
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.allocator import keep_freed_memory
from gateway.api.views import event_fields, to_json
from gateway.domain import transitions
from gateway.domain.events import Change, Event, StreamPosition
from gateway.domain.job import Job
from gateway.domain.transitions import AttemptEnd
from gateway.events.hub import Hub
from gateway.events.settings import SubscriberSettings
from gateway.jobs.ledger import Ledger
from gateway.settings import HttpSettings
from tests import builders
from tests.benchmarks.server_frames import KEY, accept_key, text_frame
from tests.benchmarks.subscribers import FILES, HOST
from tests.benchmarks.worker import follow
from tests.servers.application import listening
from tests.servers.quiet_gateway import quiet_gateway

_MANY: Final = 100_000
"""Bounds are not what is measured here."""
_UPGRADED: Final = b"\r\n".join(
    (
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept_key(KEY),
        b"\r\n",
    )
)


@define(eq=False)
class WorkingJobs:
    """Jobs whose images end one after the other, by turns."""

    store: SqliteJobStore
    job_ids: list[str] = field(factory=list)
    ended: dict[str, int] = field(factory=dict)
    _turns: int = 0

    async def begin(self, number: int, images: int) -> list[str]:
        """So many jobs, in place of those before; all their images are in work."""
        self.ended = dict(await asyncio.gather(*(self._begin(images) for _ in range(number))))
        self.job_ids = list(self.ended)
        return self.job_ids

    async def _begin(self, images: int) -> tuple[str, int]:
        now = datetime.now(UTC)
        job = builders.an_accepted_job(images, now=now)
        await self.store.add(job, reserved=())
        names = [builders.attempt_of(job.job, index) for index in range(images)]
        await self.store.update(job.job.job_id, lambda job: transitions.published(job, names, now))
        return job.job.job_id, 0

    def next(self, at_once: int = 1) -> tuple[str, Callable[[Job], Change]]:
        """The job whose turn it is, and how its next images end."""
        job_id = self.job_ids[self._turns % len(self.job_ids)]
        self._turns += 1
        first = self.ended[job_id]
        self.ended[job_id] += at_once
        return job_id, partial(_ended, indices=range(first, first + at_once))


def _ended(job: Job, indices: Iterable[int]) -> Change:
    now = datetime.now(UTC)
    ends = [
        AttemptEnd(
            builders.attempt_of(job, index),
            now,
            processed_path=f"{job.images[index].trace_id}/{job.images[index].original_filename}",
            metadata=builders.some_metadata(),
        )
        for index in indices
    ]
    change, _ = transitions.attempts_ended(job, ends)
    return builders.after(change)


class Server(Protocol):
    """What carries committed changes to subscribers."""

    jobs: WorkingJobs
    port: int

    async def tell(self, changes: list[Change]) -> None:
        """Of changes that were committed, in their order."""

    async def commit_and_tell(self, at_once: int = 1) -> tuple[str, int, float]:
        """Let images of a job end, and tell of it: the job, the number of its newest event, when it was committed."""


@define(eq=False)
class Orders:
    """What a server is asked."""

    _server: Server
    _prepared: deque[Change] = field(factory=deque)

    async def begin(self, jobs: int, images: int) -> tuple[int, list[str]]:
        """New jobs in work: the port where they are followed, and their ids."""
        self._prepared.clear()
        return self._server.port, await self._server.jobs.begin(jobs, images)

    async def prepare(self, changes: int) -> None:
        """Commit so many, for `announce`."""
        for _ in range(changes):
            job_id, decide = self._server.jobs.next()
            self._prepared.append(builders.after(await self._server.jobs.store.update(job_id, decide)))

    async def announce(self, changes: int) -> None:
        """Tell of so many at once."""
        await self._server.tell([self._prepared.popleft() for _ in range(changes)])

    async def burst(self, images: int, at_once: int) -> None:
        """Let images end one commit after the other, `at_once` in each, as results come to a collector."""
        for _ in range(images // at_once):
            await self._server.commit_and_tell(at_once)

    async def change(self, changes: int, every_s: float) -> list[tuple[str, int, float]]:
        """Commit and tell at a steady pace; of each change what, and when."""
        started, made = time.monotonic(), []
        for number in range(changes):
            await asyncio.sleep(started + number * every_s - time.monotonic())
            made.append(await self._server.commit_and_tell())
        return made

    async def cpu(self) -> float:
        """Seconds of the processor so far."""
        return time.process_time()

    def by_name(self) -> dict[str, Callable[..., Awaitable[object]]]:
        known = (self.begin, self.prepare, self.announce, self.burst, self.change, self.cpu)
        return {each.__name__: each for each in known}


@define(eq=False)
class GatewaySide:
    """The gateway: its stores, its ledger, its doors."""

    jobs: WorkingJobs
    port: int
    _ledger: Ledger
    _hub: Hub
    _committed: list[tuple[str, int, float]] = field(factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator["GatewaySide"]:
        http = HttpSettings(max_connections=_MANY)
        subscribers = SubscriberSettings(max_connections=_MANY, max_per_address=_MANY)
        async with quiet_gateway(folder, http=http, subscribers=subscribers) as gateway:
            store = cast(SqliteJobStore, gateway.context.job_store)
            side = cls(WorkingJobs(store), gateway.port, gateway.ledger, gateway.context.hub)
            side._hub.observe(side._note)
            yield side

    def _note(self, change: Change) -> None:
        self._committed.append((change.job.job_id, change.job.seq, time.monotonic()))

    async def tell(self, changes: list[Change]) -> None:
        for change in changes:
            self._hub.announce(change)

    async def commit_and_tell(self, at_once: int = 1) -> tuple[str, int, float]:
        await self._ledger.change(*self.jobs.next(at_once))
        return self._committed.pop()


@define(eq=False)
class BareSide(ABC):
    """A server that knows who follows which job, and nothing of where they stand."""

    jobs: WorkingJobs
    port: int = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator[Self]:
        async with SqliteJobStore.open(folder / "jobs.sqlite") as store:
            side = cls(WorkingJobs(store))
            async with side.listening() as side.port:
                yield side

    @abstractmethod
    def listening(self) -> AbstractAsyncContextManager[int]:
        """The port on which it serves."""

    @abstractmethod
    async def send(self, job_id: str, texts: list[bytes]) -> None:
        """To all who follow the job."""

    async def tell(self, changes: list[Change]) -> None:
        """They are of one job."""
        job_id = changes[0].job.job_id
        await self.send(job_id, [self._text(job_id, event) for change in changes for event in change.events])

    async def commit_and_tell(self, at_once: int = 1) -> tuple[str, int, float]:
        change = builders.after(await self.jobs.store.update(*self.jobs.next(at_once)))
        committed = time.monotonic()
        await self.tell([change])
        return change.job.job_id, change.job.seq, committed

    def _text(self, job_id: str, event: Event) -> bytes:
        position = StreamPosition(self.jobs.store.epoch, event.seq)
        return to_json(event_fields(job_id, event, str(position)))


@define(eq=False)
class SendStrSide(BareSide):
    """A bare aiohttp application that awaits `send_str` for one subscriber after the other."""

    _followers: defaultdict[str, set[web.WebSocketResponse]] = field(factory=lambda: defaultdict(set))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        application = web.Application()
        application.router.add_get("/api/v1/batch/{job_id}/ws", self._follow)
        async with listening(web.AppRunner(application, access_log=None)) as port:
            yield port

    async def send(self, job_id: str, texts: list[bytes]) -> None:
        for text in texts:
            message = text.decode()
            for each in self._followers[job_id]:
                await each.send_str(message)

    async def _follow(self, request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        followers = self._followers[request.match_info["job_id"]]
        followers.add(response)
        try:
            async for _ in response:
                pass
        finally:
            followers.discard(response)
        return response


@define(eq=False)
class TransportSide(BareSide):
    """Transports of uvloop and nothing else: what is told of at once is joined and written to each."""

    _followers: defaultdict[str, set[asyncio.Transport]] = field(factory=lambda: defaultdict(set))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Upgrading(self._followers), HOST, 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def send(self, job_id: str, texts: list[bytes]) -> None:
        joined = b"".join(map(text_frame, texts))
        for each in self._followers[job_id]:
            each.write(joined)


@define(eq=False)
class Upgrading(asyncio.Protocol):
    """Upgrades, then hears nothing."""

    _followers: defaultdict[str, set[asyncio.Transport]]
    _head: bytes = b""
    _joined: set[asyncio.Transport] = field(factory=set)
    _transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is of a class of its own

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._joined or not self._head.endswith(b"\r\n\r\n"):
            return
        assert self._transport is not None
        self._transport.write(_UPGRADED)
        self._joined = self._followers[self._head.split(b" ", 2)[1].decode().split("/")[4]]
        self._joined.add(self._transport)
        self._head = b""

    def connection_lost(self, exc: Exception | None) -> None:
        self._joined.discard(cast(asyncio.Transport, self._transport))


def serve_gateway(pipe: Connection) -> None:
    _run(pipe, GatewaySide.open)


def serve_send_str(pipe: Connection) -> None:
    _run(pipe, SendStrSide.open)


def serve_transports(pipe: Connection) -> None:
    _run(pipe, TransportSide.open)


def _run(pipe: Connection, opened: Callable[[Path], AbstractAsyncContextManager[Server]]) -> None:
    keep_freed_memory()
    open_files.allow(FILES)
    log_as_json()
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(_serve(pipe, opened(Path(folder))))


def log_as_json() -> None:
    """A line each, for what goes wrong here goes wrong a thousand times."""
    structlog.configure([structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])


async def _serve(pipe: Connection, opened: AbstractAsyncContextManager[Server]) -> None:
    async with opened as server:
        await follow(pipe, Orders(server).by_name())

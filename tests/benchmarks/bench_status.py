"""P8: GET of a job's status with 100 images, against a handler that returns the same prebuilt bytes.

Both sides are aiohttp applications in processes of their own; a raw socket in this one keeps 16 requests in flight.
What is measured is the CPU time of the serving process. The gateway's side has its whole door (middlewares, CORS,
problems) and its real stores; the reference has nothing but the handler.
"""

import asyncio
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, cast

import uvloop
from aiohttp import web
from attrs import define, evolve, field

from gateway.api.application import build_application
from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.events.latest import LatestJobs
from tests import builders
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.row import Row, at_least
from tests.servers.application import listening
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

Case = Literal["unchanged", "known", "changing", "each"]

REQUESTS = 3200
IN_FLIGHT = 16
ROUNDS = 7
PATIENCE_S = 10
CHANGES_PER_S = 1000
"""Of one job: more than a pipeline can do. Its whole life has some two hundred."""


async def run() -> list[Row]:
    """Unchanged, known to the client (304), changing all the time, and the worst: changed before each request."""
    with Server(serve_gateway) as ours, Server(partial(serve_prebuilt, ours.body)) as prebuilt:
        return [
            await compared(ours, prebuilt, "unchanged", "status, 100 images, unchanged", 0.92),
            await compared(ours, prebuilt, "known", "status, 100 images, 304", 1.0),
            await compared(ours, prebuilt, "changing", "status, 100 images, changing all the time", 0.85),
            await compared(ours, prebuilt, "each", "status, 100 images, changed before each request", 0.5),
        ]


async def compared(ours: "Server", prebuilt: "Server", case: Case, name: str, bound: float) -> Row:
    own, reference = await interleaved(
        partial(ours.measured, case), partial(prebuilt.measured, case), rounds=ROUNDS
    )
    return Row(
        name=name,
        value=own,
        unit="requests per CPU second",
        reference=reference,
        compared_with="a handler that returns the same prebuilt bytes",
        goal=at_least(bound),
    )


class Server:
    """A process that serves. Over its pipe it tells its port, path, etag and body, then answers questions."""

    def __init__(self, serve: Callable[[Connection], None]) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)

    def __enter__(self) -> "Server":
        self._process.start()
        self.port, self.path, self.etag, self.body = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    async def measured(self, case: Case) -> float:
        """Requests per second of the server's CPU time."""
        condition = f"If-None-Match: {self.etag}\r\n" if case == "known" else ""
        request = f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\n{condition}\r\n".encode()
        before = self._asked(case)
        await asyncio.to_thread(send, self.port, request)
        return REQUESTS / (self._asked(case) - before)

    def _asked(self, case: Case) -> float:
        self._pipe.send(case)
        return cast(float, self._pipe.recv())


def send(port: int, request: bytes) -> None:
    """All requests, one at a time on each of IN_FLIGHT connections."""
    connections = [socket.create_connection(("127.0.0.1", port), PATIENCE_S) for _ in range(IN_FLIGHT)]
    try:
        length = length_of_answer(connections[0], request)
        for _ in range(REQUESTS // IN_FLIGHT):
            for connection in connections:
                connection.sendall(request)
            for connection in connections:
                read(connection, length)
    finally:
        for connection in connections:
            connection.close()


def length_of_answer(connection: socket.socket, request: bytes) -> int:
    """By the first answer; the others are as long."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    found = head.lower().partition(b"content-length: ")[2].split()
    rest = (int(found[0]) if found else 0) - len(body)
    read(connection, rest)
    return len(answer) + rest


def read(connection: socket.socket, length: int) -> None:
    while length:
        part = len(connection.recv(min(length, 1 << 20)))
        if not part:
            raise ConnectionError("the server closed the connection")
        length -= part


def serve_gateway(pipe: Connection) -> None:
    uvloop.run(_serve_gateway(pipe))


async def _serve_gateway(pipe: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with quiet_gateway(Path(folder)) as gateway:
            job = await half_done_job(gateway)
            latest = ChangingJob(gateway.context.job_store)
            latest.prepare(await latest.get(job.job_id))
            context = evolve(gateway.context, latest=latest)
            path = f"/api/v1/batch/{job.job_id}"
            async with gateway.http.get(path) as answer:
                etag, body = answer.headers["ETag"], await answer.read()
            async with listening(runner_of(build_application(context))) as port:
                pipe.send((port, path, etag, body))
                async with asyncio.TaskGroup() as tasks:
                    changes = tasks.create_task(latest.change_all_the_time())
                    await answer_questions(pipe, latest)
                    changes.cancel()


async def half_done_job(gateway: QuietGateway) -> Job:
    job = await gateway.accept(images=100)
    for index in range(50):
        job = await gateway.complete(job.job_id, index)
    return job


@define(eq=False)
class ChangingJob(LatestJobs):
    """Lets one image of the job change, as with a collector at work: now and then, or before each request.

    The states it changes between are made beforehand, for making them is no work of the status route; their answers
    are equally long, so that the sender knows where one ends.
    """

    case: Case = "unchanged"
    _states: list[Change] = field(factory=list)

    def prepare(self, job: Job) -> None:
        for seconds in (1, 2):
            state = builders.publish(job, 50, now=builders.NOW + timedelta(seconds=seconds)).job
            assert state.counts.open == 50  # counted, as by whoever changed it
            self._states.append(Change(state))

    def at_hand(self, job_id: str) -> Job | None:
        if self.case == "each":
            self._change()
        return LatestJobs.at_hand(self, job_id)

    async def change_all_the_time(self) -> None:
        while True:
            await asyncio.sleep(1 / CHANGES_PER_S)
            if self.case == "changing":
                self._change()

    def _change(self) -> None:
        self._states.reverse()
        self.observe(self._states[0])


def serve_prebuilt(body: bytes, pipe: Connection) -> None:
    uvloop.run(_serve_prebuilt(body, pipe))


async def _serve_prebuilt(body: bytes, pipe: Connection) -> None:
    """The best simple way: the bytes are there, and are answered."""

    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    application = web.Application()
    application.router.add_get("/api/v1/batch/{job_id}", handler)
    async with listening(runner_of(application)) as port:
        pipe.send((port, "/api/v1/batch/550e8400-e29b-41d4-a716-446655440000", '"none:1.100"', body))
        await answer_questions(pipe, None)


def runner_of(application: web.Application) -> web.AppRunner:
    return web.AppRunner(application, access_log=None, auto_decompress=False)


async def answer_questions(pipe: Connection, latest: ChangingJob | None) -> None:
    """Each question names the case that is measured, and is answered by the CPU time so far."""

    over = asyncio.Event()

    def answer() -> None:
        try:
            case = pipe.recv()
        except EOFError:
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            over.set()
            return
        if latest is not None:
            latest.case = case
        pipe.send(time.process_time())

    asyncio.get_running_loop().add_reader(pipe.fileno(), answer)
    await over.wait()

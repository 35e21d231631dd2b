"""An HTTP proxy before a real S3 server, for what a network and an overloaded store do to single requests.

    async with faulty_s3(rclone) as store:       # to be used as the server itself: endpoint and keys
        store.fault = refused(503, "SlowDown")   # in place of the server's answer
        store.fault = cut_in_the_body            # PUT: half of it arrives; GET: half of it comes back
        store.fault = None                       # all is well again
        await store.close_door()                 # nobody listens there

A fault takes a `share` of the requests of some `methods` and answers them as it likes; `struck` counts them by method.
What a client gave up while a store was slow may still arrive there, much later: such requests wait in `late`.
"""

import asyncio
import io
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from attrs import define, field, frozen
from yarl import URL

from tests.free_ports import free_port
from tests.servers.odd_s3 import answered, cut, silent, stall
from tests.servers.s3 import S3Server

HOST = "127.0.0.1"
LARGEST_BYTES = 100 * 1024**2
ALL = ("PUT", "POST", "GET", "HEAD", "DELETE")
WRITING, READING = ("PUT", "POST"), ("GET", "HEAD")
OF_A_CONNECTION = ("Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Expect")


@frozen
class Asked:
    """A request, whole."""

    method: str
    raw_path: str
    headers: Mapping[str, str]
    body: bytes


@frozen
class Told:
    """The server's answer, whole."""

    status: int
    headers: Mapping[str, str]
    length: str | None
    """As the server tells it: of a HEAD there is a length and no body."""
    body: bytes


@define(eq=False)
class FaultyS3:
    """Stands for the server `behind` it."""

    behind: S3Server
    _http: aiohttp.ClientSession
    fault: "Fault | None" = None
    methods: Collection[str] = ALL
    """Of the requests that the fault takes."""
    share: float = 1.0
    """How many of those it takes."""
    dice: random.Random = field(factory=random.Random)
    struck: Counter[str] = field(factory=Counter)
    late: list[Asked] = field(factory=list)
    port: int = field(factory=free_port)
    _runner: web.AppRunner | None = None

    @property
    def endpoint(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def access_key(self) -> str:
        return self.behind.access_key

    @property
    def secret_key(self) -> str:
        return self.behind.secret_key

    async def open_door(self) -> None:
        if self._runner is None:
            application = web.Application(client_max_size=LARGEST_BYTES)
            application.router.add_route("*", "/{path:.*}", self._answer)
            self._runner = web.AppRunner(
                application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
            )
            await self._runner.setup()
            await web.TCPSite(self._runner, HOST, self.port).start()

    async def close_door(self) -> None:
        """Connections end, and new ones are refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def pass_on(self, asked: Asked) -> Told:
        """To the server, signed as it was."""
        url = URL(f"{self.behind.url}{asked.raw_path}", encoded=True)
        async with self._http.request(
            asked.method,
            url,
            headers=asked.headers,
            data=io.BytesIO(asked.body) if asked.body else None,
            allow_redirects=False,
        ) as answer:
            headers = answer.headers
            return Told(
                answer.status, _end_to_end(headers), headers.get("Content-Length"), await answer.read()
            )

    async def begin(self, asked: Asked, length: int) -> None:
        """The head and the first bytes of the body arrive at the server, then the connection ends."""
        fields = {**asked.headers, "Content-Length": str(len(asked.body))}
        lines = [
            f"{asked.method} {asked.raw_path} HTTP/1.1",
            *(f"{name}: {text}" for name, text in fields.items()),
        ]
        reader, writer = await asyncio.open_connection(HOST, self.behind.port)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + asked.body[:length])
            writer.write_eof()
            await reader.read()
        finally:
            writer.close()

    async def let_late_ones_arrive(self) -> int:
        """How many there were."""
        late, self.late = self.late, []
        for asked in late:
            await self.pass_on(asked)
        return len(late)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        is_spared = request.method not in self.methods or self.dice.random() >= self.share
        if self.fault is None or is_spared:
            return await passed_on(self, request)
        self.struck[request.method] += 1
        return await self.fault(self, request)


Fault = Callable[[FaultyS3, web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def faulty_s3(behind: S3Server) -> AsyncIterator[FaultyS3]:
    """All passes at first."""
    async with aiohttp.ClientSession(
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    ) as http:
        store = FaultyS3(behind, http)
        await store.open_door()
        try:
            yield store
        finally:
            await store.close_door()


async def read(request: web.Request) -> Asked:
    return Asked(request.method, request.raw_path, _end_to_end(request.headers), await request.read())


# --- faults


async def passed_on(store: FaultyS3, request: web.Request) -> web.StreamResponse:
    """None at all."""
    return _whole(await store.pass_on(await read(request)))


def refused(status: int, code: str) -> Fault:
    """The server never hears of it."""
    answer = answered(status, code)

    async def fault(_store: FaultyS3, request: web.Request) -> web.StreamResponse:
        return await answer(request)

    return fault


def done_but_refused(status: int, code: str) -> Fault:
    """The server did what was asked, and something before it says that it did not."""
    answer = answered(status, code)

    async def fault(store: FaultyS3, request: web.Request) -> web.StreamResponse:
        await store.pass_on(await read(request))
        return await answer(request)

    return fault


async def stalled(_store: FaultyS3, request: web.Request) -> web.StreamResponse:
    """Not even its body is read."""
    return await silent(request)


async def arriving_late(store: FaultyS3, request: web.Request) -> web.StreamResponse:
    """It is taken whole, waits in `late`, and is not answered."""
    store.late.append(await read(request))
    return await silent(request)


async def done_but_cut(store: FaultyS3, request: web.Request) -> web.StreamResponse:
    """The server did what was asked, and the connection ends before its answer."""
    await store.pass_on(await read(request))
    await cut(request)
    return web.Response()


async def cut_in_the_body(store: FaultyS3, request: web.Request) -> web.StreamResponse:
    """Of a PUT half the body arrives, of any other half the answer's body comes back."""
    return await _half(store, request, then=cut)


async def stalled_in_the_body(store: FaultyS3, request: web.Request) -> web.StreamResponse:
    """As a cut, but the connection stays, silent."""
    return await _half(store, request, then=stall)


async def _half(
    store: FaultyS3, request: web.Request, *, then: Callable[[web.Request], Awaitable[None]]
) -> web.StreamResponse:
    asked = await read(request)
    if asked.method == "PUT":
        await store.begin(asked, len(asked.body) // 2)
        await then(request)
        return web.Response()
    told = await store.pass_on(asked)
    response = web.StreamResponse(status=told.status, headers=told.headers)
    if told.body:  # else there is no half of it, nor of its length, which a HEAD tells
        response.content_length = len(told.body)
        await response.prepare(request)
        await response.write(told.body[: len(told.body) // 2])
    await then(request)
    return response


def _whole(told: Told) -> web.Response:
    length = {} if told.body or told.length is None else {"Content-Length": told.length}
    return web.Response(status=told.status, headers={**told.headers, **length}, body=told.body or None)


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    """Without what speaks of one connection."""
    return {name: text for name, text in headers.items() if name.title() not in OF_A_CONNECTION}

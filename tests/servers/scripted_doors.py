"""A gateway's doors that do what a test wrote down, so that a client meets any answer and any end of a connection.

    async with scripted_doors(Visit([opening, image(0)], close=1001), Visit([image(1), END])) as gateway:
        await page.run(f"... new BatchClient('{gateway.base_url}') ...")
    assert gateway.afters == ["", "e:1"]

What comes at another door than the script has next is answered 500. It serves the JavaScript client as a gateway does,
and pages of every origin may call it. Real HTTP, nothing of ours.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from attrs import define, field, frozen

from tests.servers.application import listening

CLIENT: Final = Path(__file__).parents[2] / "gateway" / "api" / "static" / "batch.js"
FOR_ALL: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Expose-Headers": "Retry-After",
}

PATIENCE_S: Final = 20

CUT: Final = 1006
"""The connection ends without a close frame."""
ENDED: Final = 1000
SILENCE: Final = 0
"""It stays, and nothing more comes."""


@frozen
class Visit:
    """One WebSocket: what is sent, and how it ends."""

    messages: Sequence[Mapping[str, Any] | str] = ()
    close: int = 1000


@frozen
class Stream:
    """One answer of server-sent events: what is sent, in pieces of so many bytes, and then its end, or SILENCE.

    Its end, and not a cut: where a connection breaks, a browser drops what the page has not read yet.
    """

    messages: Sequence[Mapping[str, Any]] = ()
    close: int = ENDED
    farewell: str = ""
    piece_bytes: int = 1 << 20
    line_end: str = "\n"


@frozen
class AllSeen:
    """204 to who names the last event of a job that has ended."""


@frozen
class NoStream:
    """A page where server-sent events were asked for, as of a proxy that wants a password."""


@frozen
class Blocked:
    """No WebSocket gets through: it is refused on the way, or gets no answer. Without an upgrade all is well."""

    is_silent: bool = False


HEAR: Final[Mapping[str, Any]] = {}
"""Wait for a message of the client."""


@frozen
class Talk:
    """One WebSocket for many jobs: what is sent and waited for, in turn, and how it ends."""

    steps: Sequence[Mapping[str, Any]] = ()
    close: int = SILENCE


@frozen
class Refusal:
    """An answer in place of a WebSocket, of events, or to a batch; without a code it is none of a gateway."""

    status: int
    code: str = ""
    headers: Mapping[str, str] = {}


@frozen
class Taken:
    """A batch is taken, and its sender hears of it or not."""

    job_id: str
    is_lost: bool = False


Step = Visit | Stream | AllSeen | NoStream | Blocked | Talk | Refusal


@define(eq=False)
class ScriptedDoors:
    port: int = 0
    visits: deque[Step] = field(factory=deque)
    answers: deque[Refusal | Taken] = field(factory=deque)
    """To batches, in turn."""
    afters: list[str] = field(factory=list)
    """The position that each WebSocket, and each answer of events, began behind."""
    doors: list[str] = field(factory=list)
    """At which door each of them was, "ws" or "events"."""
    heard: list[list[dict[str, Any]]] = field(factory=list)
    """What was said on each WebSocket for many jobs."""
    keys: list[str] = field(factory=list)
    """The Idempotency-Key of each batch."""
    _left: asyncio.Event = field(factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def until_left(self) -> None:
        """Until a follower has left a silent connection."""
        async with asyncio.timeout(PATIENCE_S):
            await self._left.wait()

    def application(self) -> web.Application:
        application = web.Application()
        application.on_response_prepare.append(_for_all)
        application.add_routes(
            [
                web.get("/static/batch.js", self._client),
                web.get("/api/v1/batch/{job_id}/ws", self._follow),
                web.get("/api/v1/batch/{job_id}/events", self._stream),
                web.get("/api/v1/ws", self._follow),
                web.post("/api/v1/batch", self._submit),
                web.post("/api/v1/batch/{job_id}/retry", self._submit),
                web.options("/{path:.*}", self._preflight),
            ]
        )
        return application

    async def _client(self, _: web.Request) -> web.Response:
        return web.Response(body=CLIENT.read_bytes(), content_type="text/javascript")

    async def _preflight(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _submit(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["Idempotency-Key"])
        await request.read()
        answer = self.answers.popleft()
        if isinstance(answer, Refusal):
            return _refused(answer)
        if answer.is_lost:
            _cut(request)
        return web.json_response({"job_id": answer.job_id, "status": "pending"}, status=201)

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        visit = self.visits[0]
        is_plain = "Upgrade" not in request.headers
        if not is_plain:
            self.doors.append("ws")
        if isinstance(visit, Refusal | Blocked):
            return await self._keep_out(visit, is_plain=is_plain)
        if is_plain:
            return _refused(Refusal(426, "upgrade_required"))
        self.visits.popleft()
        self.afters.append(request.query.get("after", ""))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        match visit:
            case Visit(messages, close):
                await self._say(socket, messages)
            case Talk(steps, close):
                await self._talk(socket, steps)
            case _:
                raise AssertionError(f"a WebSocket where {visit!r} was to come")
        return await self._end(socket, close, request)

    async def _keep_out(self, visit: Refusal | Blocked, *, is_plain: bool) -> web.StreamResponse:
        """It is asked once more without a handshake, for browsers keep what became of WebSockets to themselves."""
        if is_plain:
            self.visits.popleft()
            return _refused(visit if isinstance(visit, Refusal) else Refusal(426, "upgrade_required"))
        if isinstance(visit, Refusal):
            return _refused(visit)
        if visit.is_silent:
            await self._until_gone()
        return web.Response(status=502, text="What is an upgrade?")

    async def _say(self, socket: web.WebSocketResponse, messages: Sequence[Mapping[str, Any] | str]) -> None:
        for message in messages:
            await (socket.send_str(message) if isinstance(message, str) else socket.send_json(message))

    async def _talk(self, socket: web.WebSocketResponse, steps: Sequence[Mapping[str, Any]]) -> None:
        self.heard.append([])
        for step in steps:
            if step is HEAR:
                self.heard[-1].append(json.loads(await socket.receive_str()))
            else:
                await socket.send_json(step)

    async def _end(
        self, socket: web.WebSocketResponse, close: int, request: web.Request
    ) -> web.WebSocketResponse:
        if close == CUT:
            _cut(request)
        elif close == SILENCE:
            async for message in socket:
                if self.heard:
                    self.heard[-1].append(json.loads(message.data))
            self._left.set()
        else:
            await socket.close(code=close)
        return socket

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.doors.append("events")
        self.afters.append(request.query.get("after", ""))
        match self.visits.popleft():
            case Stream() as stream:
                return await self._tell(stream, request)
            case Refusal() as refusal:
                return _refused(refusal)
            case AllSeen():
                return web.Response(status=204)
            case NoStream():
                return web.Response(text="<p>Who are you?</p>", content_type="text/html")
            case visit:
                raise AssertionError(f"events where {visit!r} was to come")

    async def _tell(self, stream: Stream, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        told = "retry: 2000\n" + "".join(map(_as_event, stream.messages)) + stream.farewell
        text = told.replace("\n", stream.line_end).encode()
        for at in range(0, len(text), stream.piece_bytes):
            await answer.write(text[at : at + stream.piece_bytes])
        if stream.close == SILENCE:
            await self._until_gone()
        return answer

    async def _until_gone(self) -> None:
        """The handler is cancelled then."""
        try:
            await asyncio.Event().wait()
        finally:
            self._left.set()


def _as_event(message: Mapping[str, Any]) -> str:
    name = f"id: {message['id']}\n" if "id" in message else ""
    return f"{name}event: {message['type']}\ndata: {json.dumps(message)}\n\n"


async def _for_all(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(FOR_ALL)


def _cut(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


def _refused(refusal: Refusal) -> web.Response:
    if not refusal.code:
        return web.Response(status=refusal.status, text="<h1>Nobody</h1>", content_type="text/html")
    body = {"status": refusal.status, "detail": f"No: {refusal.code}.", "code": refusal.code}
    return web.json_response(
        body, status=refusal.status, headers=refusal.headers, content_type="application/problem+json"
    )


@asynccontextmanager
async def scripted_doors(
    *visits: Step, answers: Sequence[Refusal | Taken] = ()
) -> AsyncIterator[ScriptedDoors]:
    gateway = ScriptedDoors(visits=deque(visits), answers=deque(answers))
    runner = web.AppRunner(
        gateway.application(), access_log=None, shutdown_timeout=1, handler_cancellation=True
    )
    async with listening(runner) as gateway.port:
        yield gateway

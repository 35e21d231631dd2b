"""A gateway's doors that do what a test wrote down, so that a client meets any answer and any end of a connection.

    async with scripted_doors(Visit([opening, image(0)], close=1001), Visit([image(1), END])) as gateway:
        await page.run(f"... new BatchClient('{gateway.base_url}') ...")
    assert gateway.afters == ["", "e:1"]

It serves the JavaScript client as a gateway does, and pages of every origin may call it. Real HTTP, nothing of ours.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import WSMsgType, web
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
SILENCE: Final = 0
"""It stays, and nothing more comes."""


@frozen
class Visit:
    """One WebSocket: what is sent, and how it ends."""

    messages: Sequence[Mapping[str, Any] | str] = ()
    close: int = 1000


@frozen
class Refusal:
    """An answer in place of a WebSocket, or to a batch."""

    status: int
    code: str
    headers: Mapping[str, str] = {}


@frozen
class Taken:
    """A batch is taken, and its sender hears of it or not."""

    job_id: str
    is_lost: bool = False


@define(eq=False)
class ScriptedDoors:
    port: int = 0
    visits: deque[Visit | Refusal] = field(factory=deque)
    answers: deque[Refusal | Taken] = field(factory=deque)
    """To batches, in turn."""
    afters: list[str] = field(factory=list)
    """The position that each WebSocket began behind."""
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
                web.post("/api/v1/batch", self._submit),
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
        if isinstance(visit, Refusal):
            # Asked once more without a handshake, for browsers keep refusals of WebSockets to themselves.
            if is_plain:
                self.visits.popleft()
            return _refused(visit)
        if is_plain:
            return _refused(Refusal(426, "upgrade_required"))
        self.visits.popleft()
        self.afters.append(request.query.get("after", ""))
        return await self._play(visit, request)

    async def _play(self, visit: Visit, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for message in visit.messages:
            await (socket.send_str(message) if isinstance(message, str) else socket.send_json(message))
        if visit.close == CUT:
            _cut(request)
        elif visit.close == SILENCE:
            while (await socket.receive()).type is WSMsgType.TEXT:
                pass
            self._left.set()
        else:
            await socket.close(code=visit.close)
        return socket


async def _for_all(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(FOR_ALL)


def _cut(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


def _refused(refusal: Refusal) -> web.Response:
    body = {"status": refusal.status, "detail": f"No: {refusal.code}.", "code": refusal.code}
    return web.json_response(
        body, status=refusal.status, headers=refusal.headers, content_type="application/problem+json"
    )


@asynccontextmanager
async def scripted_doors(
    *visits: Visit | Refusal, answers: Sequence[Refusal | Taken] = ()
) -> AsyncIterator[ScriptedDoors]:
    gateway = ScriptedDoors(visits=deque(visits), answers=deque(answers))
    runner = web.AppRunner(gateway.application(), access_log=None, shutdown_timeout=1)
    async with listening(runner) as gateway.port:
        yield gateway

"""A gateway that follows a script, connection by connection: what a client makes of it is what is tested.

    async with scripted_gateway() as gateway:
        gateway.plays(
            [opening("e:1"), image_complete("e:2", 0), Close(1012)],
            [Refuse(503, {"Retry-After": "1"})],
            [opening("e:2", resumed=True), job_complete("e:5"), Close(1000)],
        )

Each connection plays the next scene, over WebSocket or, where lines are asked for, over HTTP; what it was asked with is
kept. One more than there are scenes is refused (410). Server-sent events have scenes of their own (`streams`); without
any there is no such door. Real HTTP, nothing of ours.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web
from attrs import define, field, frozen

from tests.free_ports import free_port

HOST = "127.0.0.1"
JOB_ID = "j"
MOMENT = "2026-11-18T10:30:00.123456Z"
IMAGES = 3

Frame = Mapping[str, Any]


@frozen
class Close:
    """Say goodbye with that code; without one, with a close frame that has none."""

    code: int | None


@frozen
class Cut:
    """End the connection without a word."""


@frozen
class Hang:
    """Say nothing more, until the client leaves."""


@frozen
class Hear:
    """Wait for so many messages of the client."""

    messages: int = 1


@frozen
class Refuse:
    """Answer with that status, as a gateway does with that code, or as a proxy without. First of a scene.

    A proxy that refuses a WebSocket so answers all else likewise, up to the next one, unless it `blocks` these alone.
    """

    status: int
    headers: Mapping[str, str] = {}
    code: str = ""


Step = Frame | str | bytes | Close | Cut | Hang | Hear | Refuse | asyncio.Event
"""A frame, a text or bytes are sent, an event is waited for."""


@define(eq=False)
class Scripted:
    base_url: str
    queries: list[dict[str, str]] = field(factory=list)
    """Of each connection."""
    heard: list[list[dict[str, Any]]] = field(factory=list)
    """What clients have said on each connection."""
    hung: asyncio.Event = field(factory=asyncio.Event)
    left: asyncio.Event = field(factory=asyncio.Event)
    """A client has ended a connection that hung."""
    batches: list[tuple[str, bytes]] = field(factory=list)
    """Key and body of each that was sent; all are taken."""
    status_answers: list[Frame | Refuse | asyncio.Event] = field(factory=list)
    """To each question for the job, or what is waited for without one; the last one stays."""
    status_queries: list[dict[str, str]] = field(factory=list)
    stream_queries: list[dict[str, str]] = field(factory=list)
    """Of each question for server-sent events."""
    blocks: bool = False
    """A proxy that refuses WebSockets lets all else pass."""
    _refused_by_proxy: Refuse | None = None
    _scenes: deque[Sequence[Step]] = field(factory=deque)
    _streams: deque[Sequence[Step]] = field(factory=deque)

    def streams(self, *scenes: Sequence[Step]) -> None:
        """Over server-sent events; steps are frames, texts that are written as they are, Cut, Hang and events."""
        self._streams.extend(scenes)

    def plays(self, *scenes: Sequence[Step]) -> None:
        self._scenes.extend(scenes)

    @property
    def positions(self) -> list[str | None]:
        """Behind which event each connection wanted to go on."""
        return [query.get("after") for query in self.queries]

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.post("/api/v1/batch", self.submit),
                web.get("/api/v1/batch/{job}", self.status),
                web.get("/api/v1/batch/{job}/ws", self.websocket),
                web.get("/api/v1/batch/{job}/events", self.events),
                web.get("/api/v1/ws", self.websocket),
                web.get("/api/v1/batch/{job}/results", self.lines),
            ]
        )
        return app

    async def submit(self, request: web.Request) -> web.Response:
        self.batches.append((request.headers["Idempotency-Key"], await request.read()))
        answer = {"job_id": JOB_ID, "status": "pending", "created_at": MOMENT, "message": "It is taken."}
        return web.json_response(answer, status=201)

    async def status(self, request: web.Request) -> web.Response:
        if self._refused_by_proxy is not None:
            return _refused(self._refused_by_proxy)
        self.status_queries.append(dict(request.query))
        answers = self.status_answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = Refuse(410)
        if isinstance(answer, Refuse):
            return _refused(answer)
        return web.json_response(answer)

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        scene = self._next_scene(request)
        self._refused_by_proxy = None
        if scene and isinstance(scene[0], Refuse):
            is_of_gateway = scene[0].code or self.blocks
            self._refused_by_proxy = None if is_of_gateway else scene[0]
            return _refused(scene[0])
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.heard.append([])
        for step in scene:
            match step:
                case str():
                    await socket.send_str(step)
                case bytes():
                    await socket.send_bytes(step)
                case Close(None):
                    await socket.send_frame(b"", WSMsgType.CLOSE)
                    await socket.receive()
                case Close(code):
                    await socket.close(code=code or 0)
                case Hang():
                    self.hung.set()
                    await socket.receive()
                    self.left.set()
                case Hear(messages):
                    for _ in range(messages):
                        self.heard[-1].append(json.loads(await socket.receive_str()))
                case _:
                    await self._play(step, request, socket.send_str)
        return socket

    async def lines(self, request: web.Request) -> web.StreamResponse:
        scene = self._next_scene(request)
        if scene and isinstance(scene[0], Refuse):
            return _refused(scene[0])
        answer = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
        await answer.prepare(request)
        for step in scene:
            if isinstance(step, str):
                await answer.write(step.encode())
            else:
                await self._play(step, request, lambda text: answer.write(f"{text}\n".encode()))
        return answer

    async def events(self, request: web.Request) -> web.StreamResponse:
        if self._refused_by_proxy is not None:
            return _refused(self._refused_by_proxy)
        if not self._streams:
            return _refused(Refuse(404, code="not_found"))
        self.stream_queries.append(dict(request.query))
        scene = self._streams.popleft()
        if scene and isinstance(scene[0], Refuse):
            return _refused(scene[0])
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for step in scene:
            if isinstance(step, str):
                await answer.write(step.encode())
            elif isinstance(step, Hang):
                self.hung.set()
                await asyncio.Event().wait()
            else:
                await self._play(step, request, lambda text: answer.write(f"data: {text}\n\n".encode()))
        return answer

    async def _play(self, step: Step, request: web.Request, send: Any) -> None:
        if isinstance(step, Mapping):
            await send(json.dumps(step))
        elif isinstance(step, asyncio.Event):
            await step.wait()
        elif isinstance(step, Cut):
            assert request.transport is not None
            request.transport.abort()
        else:
            raise AssertionError(f"a scene can't have {step!r} there")

    def _next_scene(self, request: web.Request) -> Sequence[Step]:
        self.queries.append(dict(request.query))
        return self._scenes.popleft() if self._scenes else [Refuse(410)]


def _refused(refusal: Refuse) -> web.Response:
    if not refusal.code:
        return web.Response(status=refusal.status, headers=refusal.headers)
    problem = {"status": refusal.status, "detail": f"It is {refusal.code}.", "code": refusal.code}
    return web.json_response(
        problem, status=refusal.status, headers=refusal.headers, content_type="application/problem+json"
    )


def subscribed(job_id: str, heartbeat_s: float = 20) -> Frame:
    """The answer to who asks for a job, or for all of them ("*"), over the WebSocket for many."""
    return {"type": "subscribed", "job_id": job_id, "heartbeat_s": heartbeat_s}


def opening(
    event_id: str,
    ended: int = 0,
    *,
    resumed: bool = False,
    heartbeat_s: float = 20,
    images: Sequence[Frame] | None = None,
    job_id: str = JOB_ID,
) -> Frame:
    """As the first frame of a subscription is."""
    shown = {} if images is None else {"images": images}
    said = {"resumed": resumed, "heartbeat_s": heartbeat_s, **shown}
    return progress(event_id, ended, job_id=job_id) | said


def progress(event_id: str, ended: int = 0, *, job_id: str = JOB_ID) -> dict[str, Any]:
    """Alone and first, it is what an older gateway begins with."""
    return {"type": "progress", "id": event_id, "timestamp": MOMENT, **_counts(ended, job_id)}


def image_complete(event_id: str, index: int, ended: int | None = None, *, job_id: str = JOB_ID) -> Frame:
    """The end of that image, by default the next one."""
    counts = _counts(index + 1 if ended is None else ended, job_id)
    return {
        "type": "image_complete", "id": event_id, "timestamp": MOMENT, **counts, "image": an_image(index)
    }  # fmt: skip


def job_complete(event_id: str, *, job_id: str = JOB_ID) -> Frame:
    said = {"type": "job_complete", "id": event_id, "timestamp": MOMENT, "outcome": "all_completed"}
    return _counts(IMAGES, job_id) | said


def an_image(index: int, status: str = "completed") -> Frame:
    return {"index": index, "original_filename": f"{index}.jpg", "status": status}


def a_status(event_id: str | None, ended: int) -> Frame:
    """What an older gateway answers has no id."""
    images = [an_image(index, "completed" if index < ended else "pending") for index in range(IMAGES)]
    place = {} if event_id is None else {"id": event_id}
    return {**_counts(ended, JOB_ID), "created_at": MOMENT, "updated_at": MOMENT, "images": images, **place}


def _counts(ended: int, job_id: str) -> dict[str, Any]:
    return {
        "job_id": job_id, "status": "completed" if ended == IMAGES else "processing", "completed": ended,
        "failed": 0, "total_images": IMAGES, "progress": round(100 * ended / IMAGES, 1),
    }  # fmt: skip


@asynccontextmanager
async def scripted_gateway() -> AsyncIterator[Scripted]:
    port = free_port()
    gateway = Scripted(f"http://{HOST}:{port}")
    runner = web.AppRunner(gateway.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        yield gateway
    finally:
        await runner.cleanup()

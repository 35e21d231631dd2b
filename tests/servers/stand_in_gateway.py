"""A stand-in that speaks the contract of a gateway, so that clients can be tested against one that misbehaves on cue.

    async with stand_in_gateway() as gateway:
        gateway.busy_answers = 2  # so many POSTs get 503 first
        gateway.in_flight_answers = 2  # so many get 409 first, as if an earlier try were still at work
        gateway.lost_answers = 2  # so many POSTs are taken, but their clients are cut off before they hear of it
        gateway.frames_per_connection = 1  # each WebSocket is cut after so many frames
        gateway.refuse_options = True  # as a gateway beside services that drop them
        gateway.not_ready_answers = 2  # so many GETs of processed images get 409 first
        gateway.hang_after_frames = True  # after its first frame a WebSocket says nothing more

Images end as soon as their job is asked for; those whose name begins with `bad` fail. Its WebSockets are those of an
older gateway, which tells neither `resumed` nor `heartbeat_s` nor images. Real HTTP, nothing of ours.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import WSCloseCode, web
from attrs import define, field

from tests.free_ports import free_port

HOST = "127.0.0.1"
PNG = b"\x89PNG\r\n\x1a\n"


@define(eq=False)
class StandIn:
    base_url: str
    batches: list[list[tuple[str, bytes]]] = field(factory=list)
    bodies: list[dict[str, Any]] = field(factory=list)
    positions: list[str | None] = field(factory=list)
    busy_answers: int = 0
    in_flight_answers: int = 0
    lost_answers: int = 0
    retry_after: str = "0"
    keys: list[str | None] = field(factory=list)
    """The header Idempotency-Key of each POST."""
    answers: dict[str | None, dict[str, Any]] = field(factory=dict)
    """By those headers."""
    refuse_batches: bool = False
    refuse_options: bool = False
    options: list[Any] = field(factory=list)
    """Of each batch that was taken; None of one without."""
    frames_per_connection: int = 1000
    sends_images: bool = True
    lose_processed: bool = False
    not_ready_answers: int = 0
    hang_after_frames: bool = False
    forgets_after_connection: bool = False
    may_send_processed: asyncio.Event = field(factory=asyncio.Event)
    jobs: dict[str, list[str]] = field(factory=dict)
    batches_by_job: dict[str, list[tuple[str, bytes]]] = field(factory=dict)
    options_by_job: dict[str, Any] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.may_send_processed.set()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=1024**3)
        app.add_routes(
            [
                web.get("/healthz", self.healthz),
                web.post("/api/v1/batch", self.post),
                web.get("/api/v1/batch", self.list_jobs),
                web.get("/api/v1/batch/{job}", self.status),
                web.get("/api/v1/batch/{job}/ws", self.news),
                web.get("/api/v1/batch/{job}/images/{index}", self.image),
                web.get("/api/v1/batch/{job}/images/{index}/processed", self.processed),
            ]
        )
        return app

    async def healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def post(self, request: web.Request) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        self.keys.append(key)
        if self.busy_answers:
            self.busy_answers -= 1
            await request.read()
            return problem(503, "Too much to do.", "unavailable", {"Retry-After": self.retry_after})
        if self.in_flight_answers:
            self.in_flight_answers -= 1
            await request.read()
            return problem(
                409, "Still at work on it.", "request_in_flight", {"Retry-After": self.retry_after}
            )
        if self.refuse_batches:
            await request.read()
            return problem(400, "images: more than 3.", "too_many_images")
        batch, options = await self._batch(request)
        if self.refuse_options and options:
            return problem(400, "metadata is not taken here.", "metadata_options_refused")
        self.options.append(options)
        if key is None or key not in self.answers:
            self.answers[key] = self._accept(batch, options)
        if self.lost_answers:
            self.lost_answers -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self.answers[key], status=201)

    def _accept(self, batch: list[tuple[str, bytes]], options: Any) -> dict[str, Any]:
        job_id = str(uuid4())
        self.batches.append(batch)
        self.batches_by_job[job_id] = batch
        self.jobs[job_id] = [name for name, _ in batch]
        self.options_by_job[job_id] = options
        return {"job_id": job_id, "status": "pending", "created_at": now(), "message": f"{len(batch)} images"}

    async def _batch(self, request: web.Request) -> tuple[list[tuple[str, bytes]], Any]:
        """Its images, and its options."""
        if request.content_type == "multipart/form-data":
            return await self._form(request)
        body = await request.json()
        self.bodies.append(body)
        images = [
            (image.get("name", image.get("url")), base64.b64decode(image.get("base64", "")))
            for image in body["images"]
        ]
        return images, body.get("options")

    async def _form(self, request: web.Request) -> tuple[list[tuple[str, bytes]], Any]:
        assert request.content_length is not None
        images, options = [], None
        parts: Any = await request.multipart()
        async for part in parts:
            content = bytes(await part.read())
            if part.filename is None:
                options = json.loads(content)
            else:
                images.append((_name(part), content))
        return images, options

    async def status(self, request: web.Request) -> web.Response:
        job_id = request.match_info["job"]
        if job_id not in self.jobs:
            return problem(404, "There is no such job.", "job_not_found")
        options = self.options_by_job[job_id]
        said = {"options": options} if options else {}
        return web.json_response(self._job(job_id) | {"images": self._images(job_id)} | said)

    async def list_jobs(self, request: web.Request) -> web.Response:
        """Pages of one."""
        ids = list(reversed(self.jobs))
        place = int(request.query.get("cursor", "0"))
        page: dict[str, Any] = {"jobs": [self._job(job) for job in ids[place : place + 1]], "total": len(ids)}
        if place + 1 < len(ids):
            page["next_cursor"] = str(place + 1)
        return web.json_response(page)

    async def image(self, request: web.Request) -> web.Response:
        return web.json_response(self._images(request.match_info["job"])[int(request.match_info["index"])])

    async def processed(self, request: web.Request) -> web.Response:
        await self.may_send_processed.wait()
        if self.lose_processed:
            return problem(404, "It is gone.", "not_found")
        if self.not_ready_answers:
            self.not_ready_answers -= 1
            return problem(409, "Image 0 is still processing: it has no processed image yet.", "not_ready")
        name, content = self.batches_by_job[request.match_info["job"]][int(request.match_info["index"])]
        served = Path(name).with_suffix(".png") if content.startswith(PNG) else name
        headers = {"Content-Disposition": f'inline; filename="{served}"'} if name.isascii() else {}
        return web.Response(body=b"tagged " + content, headers=headers)

    async def news(self, request: web.Request) -> web.WebSocketResponse | web.Response:
        job_id = request.match_info["job"]
        if job_id not in self.jobs:
            return problem(404, "There is no such job.", "job_not_found")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        after = request.query.get("after")
        self.positions.append(after)
        log = self._log(job_id)
        start = int(after.split(":")[-1]) if after else 0
        if self.hang_after_frames:
            await socket.send_str(json.dumps(log[0]))
            await socket.receive()
            return socket
        for frame in log[start : start + self.frames_per_connection]:
            await socket.send_str(json.dumps(frame))
        if start + self.frames_per_connection < len(log):
            if self.forgets_after_connection:
                del self.jobs[job_id]
            assert request.transport is not None
            request.transport.abort()
        await socket.close(code=WSCloseCode.OK)
        return socket

    def _log(self, job_id: str) -> list[dict[str, Any]]:
        images = self._images(job_id) if self.sends_images else []
        kinds = [("progress", None), *(("image_complete", image) for image in images), ("job_complete", None)]
        return [
            {"type": kind, "id": f"e:{seq}", "timestamp": now(), "unknown_field": 1}
            | {name: value for name, value in self._job(job_id).items() if not name.endswith("_at")}
            | ({"completed": 0, "failed": 0, "progress": 0.0} if kind == "progress" else {})
            | ({"image": image} if image else {})
            for seq, (kind, image) in enumerate(kinds, start=1)
        ]

    def _job(self, job_id: str) -> dict[str, Any]:
        names = self.jobs[job_id]
        failed = sum(name.startswith("bad") for name in names)
        return {
            "job_id": job_id, "status": "completed" if failed < len(names) else "failed",
            "total_images": len(names), "completed": len(names) - failed, "failed": failed, "progress": 100.0,
            "created_at": now(), "updated_at": now(), "completed_at": now(),
        }  # fmt: skip

    def _images(self, job_id: str) -> list[dict[str, Any]]:
        return [_image(index, name) for index, name in enumerate(self.jobs[job_id])]


def _image(index: int, name: str) -> dict[str, Any]:
    image = {"index": index, "original_filename": name, "trace_id": f"b-{index}", "start_time": now()}
    if name.startswith("bad"):
        return image | {"status": "failed", "error": "This is not an image.", "code": "not_an_image"}
    metadata = {"title": f"Title of {name}", "description": "", "keywords": ["one", "two"]}
    return image | {"status": "completed", "processed_path": f"b-{index}/{name}", "metadata": metadata}


def _name(part: Any) -> str:
    """As browsers write it, WHATWG HTML."""
    return str(part.filename).replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def problem(status: int, text: str, code: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {
        "type": "about:blank",
        "title": "No",
        "status": status,
        "detail": text,
        "error": text,
        "code": code,
    }
    return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@asynccontextmanager
async def stand_in_gateway(socket: Path | None = None) -> AsyncIterator[StandIn]:
    port = free_port()
    stand_in = StandIn(f"unix://{socket}" if socket else f"http://{HOST}:{port}")
    runner = web.AppRunner(stand_in.application(), access_log=None)
    await runner.setup()
    try:
        site = web.UnixSite(runner, str(socket)) if socket else web.TCPSite(runner, HOST, port)
        await site.start()
        yield stand_in
    finally:
        await runner.cleanup()

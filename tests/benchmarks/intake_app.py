"""What the reading of a batch costs: two applications, alike but for what they do with a body.

    python -m tests.benchmarks.intake_app gateway|bare PORT

`gateway` reads it as the gateway does, admission, guard and reader, but stores nothing; `bare` reads it and no more.
At `/forget` the bytes are forgotten. At `/hash` their SHA-256 is taken: that of the images, or of as many bytes of
the body as its images have. `/cpu` tells the seconds of processor time so far.
"""

import hashlib
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from gateway.api.bodies.admission import Admission
from gateway.background import Background
from gateway.intake.batch import SentImage
from gateway.intake.bytes_in_flight import BytesInFlight
from gateway.intake.reader import read_batch
from gateway.intake.settings import IntakeSettings
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import IntakeMetrics
from tests.benchmarks.bare_serving import serve_bare

Take = Callable[[bytes | memoryview], object]
Read = Callable[[web.Request, Take], Awaitable[None]]

FORGET, HASH, CPU = "/forget", "/hash", "/cpu"


def gateway_reading() -> Read:
    settings = IntakeSettings()
    admission = Admission(
        settings, Background(), BytesInFlight(settings.max_held_bytes), IntakeMetrics(Instruments())
    )

    async def read(request: web.Request, take: Take) -> None:
        body = admission.body_of(request, settings.max_body_bytes)
        batch = read_batch(body, content_type=request.headers["Content-Type"], settings=settings)
        with admission.place():
            async for member in batch:
                if isinstance(member, SentImage):
                    async for piece in member.body:
                        take(piece)

    return read


def bare_reading() -> Read:
    async def read(request: web.Request, take: Take) -> None:
        is_base64 = request.content_type == "application/json"
        async for chunk, _ in request.content.iter_chunks():
            take(memoryview(chunk)[: len(chunk) * 3 // 4] if is_base64 else chunk)

    return read


READERS: Final[Mapping[str, Callable[[], Read]]] = {"gateway": gateway_reading, "bare": bare_reading}


def routes(read: Read) -> list[web.RouteDef]:
    async def forget(request: web.Request) -> web.Response:
        await read(request, len)
        return web.Response(status=201)

    async def take_hash(request: web.Request) -> web.Response:
        await read(request, hashlib.sha256().update)
        return web.Response(status=201)

    async def cpu(_request: web.Request) -> web.Response:
        return web.Response(text=str(time.process_time()))

    return [web.post(FORGET, forget), web.post(HASH, take_hash), web.get(CPU, cpu)]


if __name__ == "__main__":
    serve_bare(int(sys.argv[2]), routes(READERS[sys.argv[1]]()))

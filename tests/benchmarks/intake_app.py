"""What the reading of a batch costs: two applications, alike but for what they do with a body.

    python -m tests.benchmarks.intake_app gateway|bare PORT

`gateway` reads it as the gateway does, admission, guard and reader, but stores nothing; `bare` reads it and no more.
At `/forget` the bytes are forgotten. At `/hash` their SHA-256 is taken: that of the images, or of as many bytes of
the body as its images have. Who finds too few of them in a body answers 500, for to pass them over is quick. `/cpu`
tells the seconds of processor time so far.
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
Read = Callable[[web.Request, Take], Awaitable[int]]
"""How many bytes there were to take."""

FORGET, HASH, CPU = "/forget", "/hash", "/cpu"
LEAST_SHARE: Final = 0.7
"""Of a body that its images are: base64 with escaped slashes has least, 0.74."""


def gateway_reading() -> Read:
    settings = IntakeSettings()
    admission = Admission(
        settings, Background(), BytesInFlight(settings.max_held_bytes), IntakeMetrics(Instruments())
    )

    async def read(request: web.Request, take: Take) -> int:
        taken = 0
        body = admission.body_of(request, settings.max_body_bytes)
        batch = read_batch(body, content_type=request.headers["Content-Type"], settings=settings)
        with admission.place():
            async for member in batch:
                if isinstance(member, SentImage):
                    async for piece in member.body:
                        take(piece)
                        taken += len(piece)
        return taken

    return read


def bare_reading() -> Read:
    async def read(request: web.Request, take: Take) -> int:
        taken = 0
        is_base64 = request.content_type == "application/json"
        async for chunk, _ in request.content.iter_chunks():
            piece = memoryview(chunk)[: len(chunk) * 3 // 4] if is_base64 else chunk
            take(piece)
            taken += len(piece)
        return taken

    return read


READERS: Final[Mapping[str, Callable[[], Read]]] = {"gateway": gateway_reading, "bare": bare_reading}


def routes(read: Read) -> list[web.RouteDef]:
    async def answer(request: web.Request, take: Take) -> web.Response:
        is_whole = await read(request, take) >= LEAST_SHARE * (request.content_length or 0)
        return web.Response(status=201 if is_whole else 500)

    async def forget(request: web.Request) -> web.Response:
        return await answer(request, len)

    async def take_hash(request: web.Request) -> web.Response:
        return await answer(request, hashlib.sha256().update)

    async def cpu(_request: web.Request) -> web.Response:
        return web.Response(text=str(time.process_time()))

    return [web.post(FORGET, forget), web.post(HASH, take_hash), web.get(CPU, cpu)]


if __name__ == "__main__":
    serve_bare(int(sys.argv[2]), routes(READERS[sys.argv[1]]()))

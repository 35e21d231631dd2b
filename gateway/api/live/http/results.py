"""The images of a job that have ended, in the order of their ends, as JSON lines."""

import asyncio
from typing import Final

import structlog
from aiohttp import web
from attrs import define

from gateway.api.live.audience import Audience
from gateway.api.live.http.door import AS_IT_COMES, HttpDoor
from gateway.api.live.http.stream import cut
from gateway.api.live.http.wires import ResultsWire, Wires, frame, takes_chunks
from gateway.api.parameters import flag, job_id_of, refuse_slips
from gateway.api.paths import BATCH
from gateway.context import AppContext
from gateway.domain.job import Job
from gateway.errors import GatewayError
from gateway.events.stream import FROM_THE_START

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/jsonl"
WRITE_S: Final = 60.0


@define(eq=False)
class Results:
    """The route. Who does not follow may take `write_s` for one piece."""

    _context: AppContext
    _audience: Audience
    _door: HttpDoor
    _wires: Wires[ResultsWire]
    _write_s: float = WRITE_S

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{BATCH}/results", self.results, allow_head=False)]

    async def results(self, request: web.Request) -> web.StreamResponse:
        refuse_slips(request, "after", "follow")
        is_followed = flag(request, "follow")
        job = await self._context.latest.get(job_id_of(request))
        after = request.query.get("after")
        seq = self._context.stream.seq_of(job, after)
        response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE, **AS_IT_COMES})
        if not is_followed:
            return await self._so_far(request, response, job, after=seq or 0)
        job_id = job.job_id
        del job  # this state of it would stay as long as the connection
        with self._audience.place(request, "results", job_id):
            after = FROM_THE_START if seq is None else after
            return await self._door.follow(request, response, job_id, self._wires.of(request), after=after)

    async def _so_far(
        self, request: web.Request, response: web.StreamResponse, job: Job, *, after: int
    ) -> web.StreamResponse:
        frame(response, in_chunks=takes_chunks(request))
        pieces = self._context.stream.pieces(job.job_id, after=after, up_to=job.seq)
        try:
            async for events in pieces:
                await response.prepare(request)
                async with asyncio.timeout(self._write_s):
                    await response.write(self._wires.bare.lines(events))
        except ConnectionError:
            log.debug("client left results", job_id=job.job_id)
        except TimeoutError:
            log.info("a slow reader of results was cut off", job_id=job.job_id)
            _cut(request)
        except Exception as error:
            if not response.prepared:
                raise
            # The answer has begun: cut short is the only way to say that it is not whole.
            unforeseen = not isinstance(error, GatewayError)
            log.warning("results cut short", job_id=job.job_id, reason=str(error), exc_info=unforeseen)
            _cut(request)
        return response


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        cut(request.transport, in_chunks=takes_chunks(request))

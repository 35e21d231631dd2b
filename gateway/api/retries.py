"""Failed images by HTTP: have them tried again, as a new job, without sending them anew."""

from aiohttp import web
from attrs import define

from gateway.api.bodies.admission import Admission
from gateway.api.idempotency import idempotency_key_of
from gateway.api.live.http.submitted import Submitted
from gateway.api.parameters import UnknownParameter, job_id_of
from gateway.api.paths import BATCH
from gateway.context import AppContext
from gateway.intake.indices import MAX_BYTES, read_indices


@define(eq=False)
class Retries:
    """The route about images that failed."""

    _context: AppContext
    _admission: Admission
    _submitted: Submitted

    def routes(self) -> list[web.RouteDef]:
        return [web.post(f"{BATCH}/retry", self.retry)]

    async def retry(self, request: web.Request) -> web.StreamResponse:
        job_id = job_id_of(request)
        _refuse_parameters(request)
        key = idempotency_key_of(request)
        body = self._admission.body_of(request, MAX_BYTES)
        with self._submitted.answering(request) as answer:
            with self._admission.place():
                indices = await read_indices(body, content_type=request.headers.get("Content-Type", ""))
                accepted = await self._context.retry.once(job_id, indices, key=key)
            return await answer(accepted)


def _refuse_parameters(request: web.Request) -> None:
    """One that should say which images are meant would be answered with all that failed. Raises UnknownParameter."""
    if request.query:
        raise UnknownParameter("There are no parameters here; which images are meant is said in the body.")

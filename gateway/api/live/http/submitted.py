"""What a client that sends a batch is answered: that it was accepted, or at once how it goes on.

Whatever becomes of the answer, the batch is accepted: a client that leaves does not stop it.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from aiohttp import web
from attrs import define

from gateway.api.answers import JSON
from gateway.api.created import created_answer, created_headers
from gateway.api.live.audience import Audience, TooManySubscribers
from gateway.api.live.http.events import MEDIA_TYPE, EventStreams
from gateway.api.live.http.waiting import Waiting
from gateway.api.preferences import prefers, wait_s
from gateway.api.status_views import StatusViews
from gateway.domain.job import Job
from gateway.errors import GatewayError
from gateway.events.stream import FROM_THE_START
from gateway.jobs.accepting.idempotency import Accepted

log = structlog.get_logger(__name__)

APPLIED: Final = "Preference-Applied"

Answer = Callable[[Accepted], Awaitable[web.StreamResponse]]


@define(eq=False)
class Submitted:
    """Answers to requests of which a new job comes."""

    _audience: Audience
    _streams: EventStreams
    _waiting: Waiting
    _views: StatusViews

    @contextmanager
    def answering(self, request: web.Request) -> Iterator[Answer]:
        """How to answer once the batch is accepted; before anything is read of it, who is to hear more has a place.

        Raises TooManySubscribers, Unavailable.
        """
        headers = request.headers
        if prefers(MEDIA_TYPE, headers.getall("Accept", ())):
            with self._audience.place(request, "submit"):
                yield lambda accepted: self._streamed(request, accepted)
        elif (seconds := wait_s(headers.getall("Prefer", ()))) is not None:
            with self._audience.place(request, "submit"):
                yield lambda accepted: self._waited(request, accepted, seconds)
        else:
            yield _at_once

    async def _streamed(self, request: web.Request, accepted: Accepted) -> web.StreamResponse:
        """From the first event on: images may have ended by the time that anybody could follow.

        Where the job has no place for one more, which a repeat may find, it was accepted all the same.
        """
        job_id, headers = accepted.receipt.job_id, created_headers(accepted)
        try:
            with self._audience.place_at(job_id):
                return await self._streams.answer(
                    request, job_id, after=FROM_THE_START, status=201, headers=headers
                )
        except TooManySubscribers:
            return created_answer(accepted)

    async def _waited(self, request: web.Request, accepted: Accepted, seconds: int) -> web.StreamResponse:
        """The whole batch if it ends in time."""
        try:
            with self._audience.place_at(accepted.receipt.job_id):
                job = await self._waiting.until(request, accepted.receipt.job_id, _has_ended, seconds)
        except GatewayError as error:
            # It was accepted, which alone is to be told for sure.
            log.info("a batch could not be waited for", job_id=accepted.receipt.job_id, reason=str(error))
            return created_answer(accepted)
        if not _has_ended(job):
            return created_answer(accepted)
        view = self._views.of(job)
        headers = {**created_headers(accepted), APPLIED: f"wait={seconds}", "Content-Type": JSON}
        return web.Response(body=view.body, headers=headers)


def _has_ended(job: Job) -> bool:
    return not job.counts.open


async def _at_once(accepted: Accepted) -> web.StreamResponse:
    return created_answer(accepted)

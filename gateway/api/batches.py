"""Batches by HTTP: submit one, ask how it stands or wait for news of it, list them."""

from typing import Final

import orjson
from aiohttp import web
from attrs import define

from gateway.api.answers import json_answer, versioned_answer
from gateway.api.bodies.admission import Admission
from gateway.api.idempotency import idempotency_key_of
from gateway.api.live.http.submitted import Submitted
from gateway.api.live.http.waiting import Waiting
from gateway.api.paging import cursor_of, limit_of
from gateway.api.parameters import (
    IMAGE_QUERY,
    choice,
    flag,
    image_query,
    job_id_of,
    number,
    refuse_slips,
)
from gateway.api.paths import BATCH, BATCHES
from gateway.api.preferences import LONGEST_WAIT_S
from gateway.api.status_views import StatusViews
from gateway.api.stored_answer import can_be_stored, stored_answer
from gateway.api.views import Fields, job_fields, page_fields, to_json
from gateway.context import AppContext
from gateway.domain.image_query import ImageQuery
from gateway.domain.job import Job, Status
from gateway.intake.reader import read_batch
from gateway.ports.job_store import JobNotFound, JobSummary

LONGEST_PAGE_WITH_IMAGES: Final = 50
"""A job may have a hundred images: longer pages would take the loop for too long."""

_ALL_IMAGES: Final = ImageQuery()
_LONG_POLL: Final = ("wait", "after")


@define(eq=False)
class Batches:
    """The routes about whole batches."""

    _context: AppContext
    _views: StatusViews
    _admission: Admission
    _submitted: Submitted
    _waiting: Waiting
    _is_open_to_all: bool

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(BATCHES, self.submit),
            web.get(BATCHES, self.page),
            web.get(BATCH, self.status),
        ]

    async def submit(self, request: web.Request) -> web.StreamResponse:
        refuse_slips(request, "strict", "name", "options", meant={"metadata": "options"})
        strict, key = flag(request, "strict"), idempotency_key_of(request)
        settings = self._context.settings.intake
        batch = read_batch(
            self._admission.body_of(request, settings.max_body_bytes),
            content_type=request.headers.get("Content-Type", ""),
            name=request.query.get("name"),
            options=request.query.getall("options", []),
            settings=settings,
        )
        with self._submitted.answering(request) as answer:
            with self._admission.place():
                accepted = await self._context.submit(batch, strict=strict, key=key)
            return await answer(accepted)

    async def status(self, request: web.Request) -> web.StreamResponse:
        # What is in memory needs no check of its id, and no await.
        job = self._context.latest.at_hand(request.match_info["job_id"])
        if job is None:
            job = await self._context.latest.get(job_id_of(request))
        # The address as it came, for to take it apart would cost more than the answer.
        if "?" in request.raw_path:
            refuse_slips(request, *IMAGE_QUERY, *_LONG_POLL)
            query = image_query(request)
            job = await self._waited_for(request, job)
            if query != _ALL_IMAGES:
                return versioned_answer(request, *self._views.of(job).of_matching(query))
        view = self._views.of(job)
        if self._is_open_to_all and can_be_stored(request):
            return stored_answer(request, view.body, view.etag)
        return versioned_answer(request, view.body, view.etag)

    async def _waited_for(self, request: web.Request, job: Job) -> Job:
        wait_s = number(request, "wait", default=0, at_most=LONGEST_WAIT_S)
        if not wait_s:
            return job
        return await self._waiting.for_news(request, job, request.query.get("after"), wait_s)

    async def page(self, request: web.Request) -> web.Response:
        refuse_slips(request, "limit", "cursor", "status", "images")
        with_images = flag(request, "images")
        limit = limit_of(request)
        found = await self._context.job_store.page(
            limit=min(limit, LONGEST_PAGE_WITH_IMAGES) if with_images else limit,
            cursor=cursor_of(request),
            status=choice(request, "status", Status),
        )
        jobs = await self._with_images(found.jobs) if with_images else map(job_fields, found.jobs)
        return json_answer(to_json(page_fields(jobs, found.total, found.next_cursor)))

    async def _with_images(self, summaries: tuple[JobSummary, ...]) -> list[orjson.Fragment | Fields]:
        """The listed jobs in full, but for those that were deleted meanwhile."""
        jobs: list[orjson.Fragment | Fields] = []
        for summary in summaries:
            try:
                job = await self._context.latest.get(summary.job_id)
            except JobNotFound:
                continue
            jobs.append(orjson.Fragment(self._views.of(job).body))
        return jobs

"""Accept a batch: store what was sent, commit the job, or leave nothing behind.

The one owner of the promise that 201 means accepted for good. An original is put under a trace_id that was reserved
before; the job's commit ends the reservations it used. Whatever ends a request before that commit, its objects are
removed (`undo.py`), or by the cleaner when this process dies first.

What is asked for with a batch is kept with its job, so that every attempt knows it. Where the services beside may drop
it, the request is refused: nobody gets what they did not ask for.

A repeat of a request that was answered (`idempotency.py`) is read, compared and answered the same; nothing is stored.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import structlog
from attrs import define, evolve

from gateway.domain.attempt import new_trace_id
from gateway.domain.job import Failure, Image, Status
from gateway.domain.job_id import new_job_id
from gateway.domain.options import BatchOptions
from gateway.domain.receipt import receipt_of
from gateway.domain.transitions import accept
from gateway.errors import BadInput, ContentError, Fault, GatewayError, Unprocessable
from gateway.fetch.policy import FetchPolicy
from gateway.images.names import default_name, name_from_url
from gateway.intake.batch import IncomingBatch, IncomingImage, LinkedImage
from gateway.intake.options import METADATA_AT
from gateway.intake.settings import IntakeSettings
from gateway.intake.shape import refuse_any
from gateway.jobs.accepting.draft import Draft
from gateway.jobs.accepting.idempotency import Accepted, IdempotentRequests, Turn
from gateway.jobs.accepting.reserved import ReservedTraceIds
from gateway.jobs.accepting.undo import Undo
from gateway.jobs.ledger import Ledger
from gateway.jobs.originals import Content, Originals
from gateway.ports.answers import AlreadyAnswered
from gateway.ports.clock import Clock

log = structlog.get_logger(__name__)

_Take = Callable[[IncomingImage | BatchOptions, Draft], Awaitable[None]]


@define(eq=False)
class Submit:
    """The use case behind POST."""

    _ledger: Ledger
    _reserved: ReservedTraceIds
    _originals: Originals
    _undo: Undo
    _idempotent: IdempotentRequests
    _clock: Clock
    _settings: IntakeSettings
    _urls: FetchPolicy
    _prefix: str
    _takes_metadata_options: bool

    async def __call__(
        self, batch: IncomingBatch, *, strict: bool = False, key: str | None = None
    ) -> Accepted:
        """The receipt of the committed job. Images with bad content have failed in it; with `strict` they refuse it.

        A repeat of a request with an idempotency key gets the receipt of the first one, and leaves nothing. Raises
        BadInput, Unprocessable (strict; a key of other content), Conflict (in flight), NoRoom, Unavailable, and what
        the request's stream raises.
        """
        async with aclosing(batch), self._idempotent.turn(key) as turn:
            draft = Draft(strict, turn.has_key)
            if turn.is_repeat:
                await self._take(batch, draft, _recognise)
                return await turn.repeated(draft.asked)
            await self._take_for_good(batch, draft)
            return await self._commit(draft, turn)

    async def _take_for_good(self, batch: IncomingBatch, draft: Draft) -> None:
        try:
            await self._take(batch, draft, self._keep)
            if draft.strict:
                _refuse_content(draft.images, self._urls)
        except BaseException as error:
            await self._undo(draft.used, error)
            raise

    async def _take(self, batch: IncomingBatch, draft: Draft, take: _Take) -> None:
        async for incoming in batch:
            if isinstance(incoming, BatchOptions):
                draft.set_options(incoming)
            elif draft.size == self._settings.max_images:
                text = f"A batch has at most {self._settings.max_images} images."
                raise BadInput(text, code="too_many_images")
            await take(incoming, draft)
        if not draft.size:
            raise BadInput("The batch has no images.", code="no_images")

    def _demand_that_options_are_taken(self, options: BatchOptions) -> None:
        """Raises BadInput."""
        if options.metadata is not None and not self._takes_metadata_options:
            why = (
                "metadata is not taken here, for the analyzer or the processor beside this gateway may drop it "
                "(setting jobs.metadata_options)"
            )
            refuse_any([Fault(METADATA_AT, "metadata_options_refused", why)])

    async def _keep(self, incoming: IncomingImage | BatchOptions, draft: Draft) -> None:
        if isinstance(incoming, BatchOptions):
            self._demand_that_options_are_taken(incoming)
            return
        if isinstance(incoming, LinkedImage):
            draft.images.append(self._linked(incoming, draft.size))
            draft.ask(incoming, incoming.url)
            return
        content = Content(incoming.body)
        draft.used.append(await self._reserved.take())
        draft.images.append(await self._stored(incoming.name, content, draft.size, draft.used[-1]))
        draft.ask(incoming, await content.identity() if draft.may_be_repeated else content.sha256)

    def _linked(self, incoming: LinkedImage, index: int) -> Image:
        name = incoming.name or name_from_url(incoming.url, index)
        trace_id = new_trace_id(self._prefix)
        return Image(index=index, original_filename=name, trace_id=trace_id, source_url=incoming.url)

    async def _stored(self, name: str | None, content: Content, index: int, trace_id: str) -> Image:
        image = Image(index=index, original_filename=name or default_name(index), trace_id=trace_id)
        try:
            return evolve(image, original=await self._originals.store(trace_id, content))
        except ContentError as error:
            failure = Failure(error.code, error.text)
            return evolve(image, status=Status.FAILED, failure=failure, end_time=self._clock.now())

    async def _commit(self, draft: Draft, turn: Turn) -> Accepted:
        now = self._clock.now()
        job_id = new_job_id(now)
        change = accept(job_id, draft.images, now, draft.options or BatchOptions())
        companions = turn.companions(draft.asked, change.job)
        try:
            await self._ledger.add(change, reserved=draft.used, companions=companions)
        except AlreadyAnswered as error:
            await self._undo(draft.used, error)
            return await turn.repeated(draft.asked)
        except GatewayError as error:
            await self._undo(draft.used, error)
            raise
        # A commit that is cancelled may have been made, so nothing of it is undone: the reservations stand only if
        # it was not, and then the cleaner removes what lies under them.
        log.info("job accepted", job_id=job_id, images=len(draft.images), failed=change.job.counts.failed)
        return Accepted(receipt_of(change.job))


async def _recognise(incoming: IncomingImage | BatchOptions, draft: Draft) -> None:
    """Of a repeat: all of it is read, nothing is kept, and nothing judged that was accepted before."""
    if isinstance(incoming, BatchOptions):
        return
    identity = incoming.url if isinstance(incoming, LinkedImage) else await Content(incoming.body).identity()
    draft.ask(incoming, identity)


def _refuse_content(images: Sequence[Image], urls: FetchPolicy) -> None:
    """What can be known before the answer refuses the whole batch. Raises Unprocessable."""
    faults = [fault for image in images for fault in _faults(image, urls)]
    if faults:
        first = faults[0].detail.rstrip(".")
        raise Unprocessable(
            f"{len(faults)} of {len(images)} images were refused; the first: {first}.", faults=faults
        )


def _faults(image: Image, urls: FetchPolicy) -> list[Fault]:
    at = f"/images/{image.index}"
    if image.failure is not None:
        return [Fault(at, image.failure.code, image.failure.error)]
    reason = urls.forbidden_as_it_stands(image.source_url) if image.source_url else None
    return [Fault(f"{at}/url", "download_refused", f"the URL {reason}")] if reason else []

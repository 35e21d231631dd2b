"""Accept a batch: store what was sent, commit the job, or leave nothing behind.

The one owner of the promise that 201 means accepted for good. An original is put under a trace_id that was reserved
before (`keep.py`), several at once (`overlapping.py`); the job's commit ends the reservations it used. Whatever ends a
request before that commit, its objects are removed (`undo.py`), or by the cleaner when this process dies first.

What is asked for with a batch is kept with its job, so that every attempt knows it. Where the services beside may drop
it, the request is refused: nobody gets what they did not ask for.

A repeat of a request that was answered (`idempotency.py`) is read, compared and answered the same; nothing is stored.
"""

from collections.abc import Sequence
from contextlib import aclosing, suppress
from functools import partial

import structlog
from attrs import define, evolve

from gateway.domain.attempt import new_trace_id
from gateway.domain.job import Image, Job, Status
from gateway.domain.job_id import new_job_id
from gateway.domain.options import BatchOptions
from gateway.domain.receipt import receipt_of
from gateway.domain.transitions import accept
from gateway.errors import Fault, GatewayError, Unprocessable
from gateway.fetch.policy import FetchPolicy
from gateway.images.names import default_name, name_from_url
from gateway.intake.batch import ImageOutline, IncomingBatch
from gateway.intake.options import METADATA_AT
from gateway.intake.shape import refuse_any
from gateway.jobs.accepting.draft import Draft, Kept
from gateway.jobs.accepting.idempotency import Accepted, IdempotentRequests, Turn
from gateway.jobs.accepting.keep import Keep, recognise
from gateway.jobs.accepting.overlapping import Room, for_each_sent
from gateway.jobs.accepting.undo import Undo
from gateway.jobs.ledger import Ledger
from gateway.jobs.reuse import Known, Reuse
from gateway.ports.answers import AlreadyAnswered
from gateway.ports.clock import Clock
from gateway.ports.reuse import SourceGone

log = structlog.get_logger(__name__)


@define(eq=False)
class Submit:
    """The use case behind POST."""

    _ledger: Ledger
    _keep: Keep
    _undo: Undo
    _reuse: Reuse
    _idempotent: IdempotentRequests
    _clock: Clock
    _urls: FetchPolicy
    _prefix: str
    _takes_metadata_options: bool
    _room: Room

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
                await recognise(draft, batch)
                return await turn.repeated(draft.asked)
            images, known = await self._take_for_good(batch, draft)
            return await self._commit(draft, images, known, turn)

    async def _take_for_good(self, batch: IncomingBatch, draft: Draft) -> tuple[Sequence[Image], Known]:
        """The images of the new job, and what is known of their content."""
        try:
            draft.outline = await for_each_sent(batch, partial(self._keep, draft), self._room)
            self._demand_that_options_are_taken(draft.options)
            images = self._images(draft)
            if draft.strict:
                _refuse_content(images, self._urls)
            return images, await self._reuse.known(images, draft.options)
        except BaseException:
            await self._undo_all(draft)
            raise

    def _demand_that_options_are_taken(self, options: BatchOptions) -> None:
        """Raises BadInput."""
        if options.metadata is not None and not self._takes_metadata_options:
            why = (
                "metadata is not taken here, for the analyzer or the processor beside this gateway may drop it "
                "(setting jobs.metadata_options)"
            )
            refuse_any([Fault(METADATA_AT, "metadata_options_refused", why)])

    def _images(self, draft: Draft) -> Sequence[Image]:
        return [
            self._sent(index, outline, draft.kept[index])
            if outline.url is None
            else self._linked(index, outline, outline.url)
            for index, outline in enumerate(draft.outline.images)
        ]

    def _sent(self, index: int, outline: ImageOutline, kept: Kept) -> Image:
        image = Image(
            index=index,
            original_filename=outline.name or default_name(index),
            trace_id=kept.trace_id,
            original=kept.original,
        )
        if kept.failure is None:
            return image
        return evolve(image, status=Status.FAILED, failure=kept.failure, end_time=self._clock.now())

    def _linked(self, index: int, outline: ImageOutline, url: str) -> Image:
        name = outline.name or name_from_url(url, index)
        trace_id = new_trace_id(self._prefix)
        return Image(index=index, original_filename=name, trace_id=trace_id, source_url=url)

    async def _commit(self, draft: Draft, images: Sequence[Image], known: Known, turn: Turn) -> Accepted:
        try:
            job = await self._add_reusing(draft, images, known, turn)
        except AlreadyAnswered:
            await self._undo_all(draft)
            return await turn.repeated(draft.asked)
        except GatewayError:
            await self._undo_all(draft)
            raise
        # A commit that is cancelled may have been made, so nothing of it is undone: the reservations stand only if
        # it was not, and then the cleaner removes what lies under them.
        log.info("job accepted", job_id=job.job_id, images=len(images), failed=job.counts.failed)
        return Accepted(receipt_of(job))

    async def _add_reusing(self, draft: Draft, images: Sequence[Image], known: Known, turn: Turn) -> Job:
        """As far as what is known is still kept where it is committed."""
        if known:
            with suppress(SourceGone):
                return await self._add(draft, self._reuse.completed(images, known), turn)
        return await self._add(draft, images, turn)

    async def _add(self, draft: Draft, images: Sequence[Image], turn: Turn) -> Job:
        now = self._clock.now()
        change = accept(new_job_id(now), images, now, draft.options)
        companions = turn.companions(draft.asked, change.job)
        await self._ledger.add(change, reserved=draft.used, companions=companions)
        return change.job

    async def _undo_all(self, draft: Draft) -> None:
        await self._undo(draft.used, gave_up_a_put=draft.gave_up_a_put)


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

"""Try failed images again: a new job on the originals that are kept, so that nothing is sent a second time.

The job that they failed in may still be running, and its end stays as it is. That job and the new one work on the
same originals, which the job store knows from the commit on: whichever is removed last takes them with it.

What was asked for with that job is asked for again. Where that is not taken any more, the retry is refused, as a new
batch would be.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

import structlog
from attrs import define, frozen

from gateway.domain.attempt import new_trace_id
from gateway.domain.job import Image, Job, Original, Status
from gateway.domain.job_id import new_job_id
from gateway.domain.options import BatchOptions
from gateway.domain.transitions import accept
from gateway.errors import Conflict, Fault, Unavailable
from gateway.intake.shape import MAX_FAULTS, refuse_any
from gateway.jobs.accepting.idempotency import Accepted, Asked, IdempotentRequests
from gateway.jobs.ledger import Ledger
from gateway.jobs.side_by_side import for_each
from gateway.ports.clock import Clock
from gateway.ports.job_store import Companion, JobStore
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound, ObjectStore

log = structlog.get_logger(__name__)

_HEADS_AT_ONCE: Final = 16


@frozen
class _Chosen:
    """An image that is to be tried again, and where the request names it."""

    image: Image
    pointer: str


def _none(_: Job) -> Sequence[Companion]:
    return ()


@define(eq=False)
class Retry:
    """A use case."""

    _ledger: Ledger
    _jobs: JobStore
    _objects: ObjectStore
    _clock: Clock
    _idempotent: IdempotentRequests
    _prefix: str
    _takes_metadata_options: bool
    look_s: float = 20.0
    """How long the object store may take to tell of all originals whether they are there."""

    async def once(self, job_id: str, indices: Sequence[int] | None, *, key: str | None) -> Accepted:
        """As a call, but for all requests with that key there is one job.

        Raises RequestInFlight, KeyReused too.
        """
        asked = Asked("retry", {"job_id": job_id, "images": indices})
        return await self._idempotent.once(
            key, asked, lambda companions: self(job_id, indices, companions=companions)
        )

    async def __call__(
        self,
        job_id: str,
        indices: Sequence[int] | None = None,
        *,
        companions: Callable[[Job], Sequence[Companion]] = _none,
    ) -> Job:
        """The new, committed job of these images, in this order; None: of all failed ones that can be tried again.

        What `companions` makes of the new job is committed with it, or nothing is. Raises JobNotFound; BadInput for
        an index that is none of the job's or comes twice; Conflict when an image did not fail, has no original, or
        there is nothing to retry, when the job's options would be dropped now, and when it is retired meanwhile;
        Unavailable, NoRoom; what the job store says of the companions.
        """
        job = await self._jobs.get(job_id)
        self._demand_that_options_are_taken(job.options)
        chosen = _all_failed(job) if indices is None else _named(job, indices)
        await self._demand_originals(chosen)
        now = self._clock.now()
        images = [self._anew(each.image, index) for index, each in enumerate(chosen)]
        change = accept(new_job_id(now), images, now, job.options, retry_of=job.job_id)
        await self._ledger.add(change, reserved=(), companions=companions(change.job))
        log.info("job accepted", job_id=change.job.job_id, images=len(images), failed=0, retry_of=job.job_id)
        return change.job

    def _demand_that_options_are_taken(self, options: BatchOptions) -> None:
        """Raises Conflict: what is beside the gateway may have changed since the job was accepted."""
        if options.metadata is not None and not self._takes_metadata_options:
            text = (
                "What the job says of metadata is not taken here any more, for the analyzer or the processor beside "
                "this gateway may drop it (setting jobs.metadata_options)."
            )
            raise Conflict(text, code="metadata_options_refused")

    def _anew(self, image: Image, index: int) -> Image:
        return Image(
            index=index,
            original_filename=image.original_filename,
            trace_id=new_trace_id(self._prefix),
            source_url=image.source_url,
            original=image.original,
        )

    async def _demand_originals(self, chosen: Sequence[_Chosen]) -> None:
        """Raises Conflict when some are gone from the object store, Unavailable."""
        originals = [each.image.original for each in chosen if each.image.original]
        try:
            async with asyncio.timeout(self.look_s):
                gone = await self._gone(originals)
        except TimeoutError as error:
            raise Unavailable("The object store does not answer in time.") from error
        lost = [each for each in chosen if each.image.original in gone]
        why = "its original is gone from the object store"
        _refuse_some(chosen, [_fault(each, why, code="original_gone") for each in lost])

    async def _gone(self, originals: Sequence[Original]) -> Collection[Original | None]:
        """Those that are not in the object store. Raises Unavailable."""
        gone: set[Original | None] = set()

        async def look_for(original: Original) -> None:
            try:
                await self._objects.head(ObjectKey(Bucket.ORIGINAL, original.key))
            except ObjectNotFound:
                gone.add(original)

        await for_each(originals, look_for, at_once=_HEADS_AT_ONCE)
        return gone


def _all_failed(job: Job) -> Sequence[_Chosen]:
    """Raises Conflict when there is none of which an original was kept, or a URL."""
    chosen = [_Chosen(image, "") for image in job.images if _has_failed(image) and _can_be_had(image)]
    if not chosen:
        raise Conflict(_why_none(job), code="nothing_to_retry")
    return chosen


def _why_none(job: Job) -> str:
    refused = sum(1 for image in job.images if _has_failed(image))
    if refused:
        return (
            f"No image can be tried again: {refused} failed for their content, and nothing was kept of them."
        )
    return "No image of the job has failed" + (", so far." if job.completed_at is None else ".")


def _named(job: Job, indices: Sequence[int]) -> Sequence[_Chosen]:
    """Raises BadInput, Conflict."""
    refuse_any(list(_slips(indices, len(job.images))))
    chosen = [_Chosen(job.images[index], f"/images/{place}") for place, index in enumerate(indices)]
    _refuse_some(chosen, [fault for each in chosen if (fault := _why_not(each))])
    return chosen


def _slips(indices: Sequence[int], images: int) -> Iterator[Fault]:
    if not indices:
        yield Fault("/images", "no_images", "images must name one image at least")
    seen: set[int] = set()
    for place, index in enumerate(indices):
        if not 0 <= index < images:
            text = f"there is no image {index}: the batch has {images}, counted from 0"
            yield Fault(f"/images/{place}", "bad_index", text)
        elif index in seen:
            yield Fault(f"/images/{place}", "index_twice", f"image {index} is named twice")
        seen.add(index)


def _why_not(chosen: _Chosen) -> Fault | None:
    image = chosen.image
    if not _has_failed(image):
        return _fault(chosen, f"it has not failed, but is {image.status}", code="not_failed")
    if not _can_be_had(image):
        return _fault(chosen, "its content was refused, so no original was kept", code="original_not_kept")
    return None


def _fault(chosen: _Chosen, why: str, *, code: str) -> Fault:
    return Fault(chosen.pointer, code, f"image {chosen.image.index}: {why}")


def _refuse_some(chosen: Sequence[_Chosen], faults: Sequence[Fault]) -> None:
    """Raises Conflict if there are any."""
    if faults:
        raise Conflict(
            f"{len(faults)} of {len(chosen)} images can't be tried again; the first: {faults[0].detail}.",
            code=faults[0].code,
            faults=faults[:MAX_FAULTS],
        )


def _has_failed(image: Image) -> bool:
    return image.status is Status.FAILED


def _can_be_had(image: Image) -> bool:
    return image.original is not None or image.source_url is not None

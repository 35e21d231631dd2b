"""Accept a batch: store what was sent, commit the job, or leave nothing behind.

The one owner of the promise that 201 means accepted for good. Before the first put, the keys that may be written
are committed as an intake record; the job's commit deletes it. Whatever ends a request before that commit, its
objects are removed here, or by the cleaner when this process dies first.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from uuid import uuid4

import structlog
from attrs import define, evolve, field

from gateway.domain.attempt import new_trace_id
from gateway.domain.events import Change
from gateway.domain.job import Failure, Image, Job, Status
from gateway.domain.transitions import accept
from gateway.errors import BadInput, ContentError, Fault, GatewayError, Unprocessable
from gateway.fetch.policy import FetchPolicy
from gateway.images.names import default_name, name_from_url
from gateway.intake.batch import IncomingImage, IncomingImages, LinkedImage
from gateway.intake.settings import IntakeSettings
from gateway.jobs.ledger import Ledger
from gateway.jobs.originals import Originals, possible_keys
from gateway.ports.clock import Clock
from gateway.ports.job_store import IntakeRecords
from gateway.ports.object_store import Bucket, ObjectKey, ObjectStore

log = structlog.get_logger(__name__)

_UNDO_S = 10.0
_RESERVE = 16


@define(eq=False)
class Submit:
    """The use case behind POST."""

    _ledger: Ledger
    _records: IntakeRecords
    _objects: ObjectStore
    _originals: Originals
    _clock: Clock
    _settings: IntakeSettings
    _urls: FetchPolicy
    _prefix: str

    async def __call__(self, images: IncomingImages, *, strict: bool = False) -> Job:
        """The committed job. Images whose content is bad have failed in it; with `strict` they refuse it.

        Raises BadInput, Unprocessable (strict), NoRoom, Unavailable, and what the request's stream raises.
        """
        intake = _Intake(self._records, self._clock, self._settings.total_s, self._prefix)
        try:
            async with aclosing(images):
                accepted = await self._take(images, intake)
            if strict:
                _refuse_any(accepted, self._urls)
            await intake.begin()
        except BaseException:
            await self._undo(intake)
            raise
        return await self._commit(accept(intake.job_id, accepted, self._clock.now()), intake)

    async def _commit(self, change: Change, intake: "_Intake") -> Job:
        try:
            await self._ledger.add(change, intake_id=intake.job_id)
        except GatewayError:
            await self._undo(intake)
            raise
        # A cancelled commit may have been made: its objects are undone by nobody but the cleaner, who finds the
        # intake record only if it was not.
        job = change.job
        log.info("job accepted", job_id=job.job_id, images=job.counts.total, failed=job.counts.failed)
        return job

    async def _take(self, images: IncomingImages, intake: "_Intake") -> list[Image]:
        taken: list[Image] = []
        async for incoming in images:
            if len(taken) == self._settings.max_images:
                raise BadInput(f"more than {self._settings.max_images} images", code="too_many_images")
            taken.append(await self._take_one(incoming, len(taken), intake))
        if not taken:
            raise BadInput("no images", code="no_images")
        return taken

    async def _take_one(self, incoming: IncomingImage, index: int, intake: "_Intake") -> Image:
        if isinstance(incoming, LinkedImage):
            name = incoming.name or name_from_url(incoming.url, index)
            trace_id = new_trace_id(self._prefix)
            return Image(index=index, original_filename=name, trace_id=trace_id, source_url=incoming.url)
        image = Image(
            index=index,
            original_filename=incoming.name or default_name(index),
            trace_id=await intake.reserve(),
        )
        try:
            return evolve(image, original=await self._originals.store(image.trace_id, incoming.body))
        except ContentError as error:
            failure = Failure(error.code, error.text)
            return evolve(image, status=Status.FAILED, failure=failure, end_time=self._clock.now())

    async def _undo(self, intake: "_Intake") -> None:
        """Remove what was put; what can't be removed now stays recorded for the cleaner."""
        if not intake.recorded:
            return
        try:
            async with asyncio.timeout(_UNDO_S):
                for key in intake.written_keys():
                    await self._objects.delete(ObjectKey(Bucket.ORIGINAL, key))
                await self._records.end(intake.job_id)
        except (GatewayError, TimeoutError) as error:
            log.warning("undo left to the cleaner", job_id=intake.job_id, reason=str(error))


@define(eq=False)
class _Intake:
    """The intake record of one request, growing ahead of its puts."""

    _records: IntakeRecords
    _clock: Clock
    _lifetime_s: float
    _prefix: str
    job_id: str = field(factory=lambda: str(uuid4()))
    recorded: bool = False
    _ahead: list[str] = field(factory=list)
    _used: list[str] = field(factory=list)

    async def begin(self) -> None:
        """Have a record, so that the job's commit has one to delete."""
        if not self.recorded:
            await self._record([])

    async def reserve(self) -> str:
        """A trace_id whose keys are on record."""
        if not self._ahead:
            # One commit serves several images: doubling, for most batches are small.
            fresh = [new_trace_id(self._prefix) for _ in range(min(_RESERVE, max(1, 2 * len(self._used))))]
            await self._record([key for trace_id in fresh for key in possible_keys(trace_id)])
            self._ahead = fresh
        self._used.append(self._ahead.pop(0))
        return self._used[-1]

    def written_keys(self) -> Sequence[str]:
        return [key for trace_id in self._used for key in possible_keys(trace_id)]

    async def _record(self, keys: Sequence[str]) -> None:
        if self.recorded:
            await self._records.extend(self.job_id, keys)
            return
        self.recorded = True
        deadline = self._clock.now() + timedelta(seconds=2 * self._lifetime_s)
        await self._records.begin(self.job_id, keys, deadline=deadline)


def _refuse_any(images: Sequence[Image], urls: FetchPolicy) -> None:
    """What can be known before the answer refuses the whole batch. Raises Unprocessable."""
    faults = [fault for image in images for fault in _faults(image, urls)]
    if faults:
        raise Unprocessable(
            f"{len(faults)} of {len(images)} images refused; first: {faults[0].detail}", faults=faults
        )


def _faults(image: Image, urls: FetchPolicy) -> list[Fault]:
    at = f"/images/{image.index}"
    if image.failure is not None:
        return [Fault(at, image.failure.code, image.failure.error)]
    reason = urls.forbidden_as_it_stands(image.source_url) if image.source_url else None
    return [Fault(f"{at}/url", "download_refused", f"the URL {reason}")] if reason else []

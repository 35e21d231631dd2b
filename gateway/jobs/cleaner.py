"""Removes what nobody needs any more: leftovers of requests that ended without a job, and jobs whose time is over.

Objects go first, the record of them last, so that a crash in between only repeats the work. Never by listing a
bucket: it holds others' objects too.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog
from attrs import define

from gateway.domain.job import Image, Job
from gateway.errors import BadInput
from gateway.jobs.ledger import Ledger
from gateway.jobs.originals import possible_keys
from gateway.jobs.settings import JobsSettings
from gateway.pacing import keep_doing
from gateway.ports.clock import Clock
from gateway.ports.job_store import Backlog, JobNotFound, JobStore, Reservations
from gateway.ports.object_store import Bucket, ObjectKey, ObjectStore

log = structlog.get_logger(__name__)

_AT_ONCE = 100


@define(eq=False)
class Cleaner:
    """A Service."""

    _ledger: Ledger
    _jobs: JobStore
    _backlog: Backlog
    _reservations: Reservations
    _objects: ObjectStore
    _clock: Clock
    _settings: JobsSettings
    name: str = "cleaner"

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self.run_once, pause_s=self._settings.clean_every_s)

    async def run_once(self) -> None:
        """Remove what is due now. Raises Unavailable when a store is down."""
        await self._remove_leftovers(self._clock.now())
        await self._remove_old_jobs()

    async def remove_leftovers_of_a_crash(self) -> None:
        """At a start no request is under way yet: every reservation is a leftover, whatever its deadline."""
        await self._remove_leftovers(datetime.max.replace(tzinfo=UTC))

    async def _remove_leftovers(self, before: datetime) -> None:
        while trace_ids := await self._reservations.overdue(before, limit=_AT_ONCE):
            for trace_id in trace_ids:
                await self._delete(ObjectKey(Bucket.ORIGINAL, key) for key in possible_keys(trace_id))
            await self._reservations.release(trace_ids)
            log.info("leftovers of requests removed", reservations=len(trace_ids))

    async def _remove_old_jobs(self) -> None:
        moment = self._clock.now() - timedelta(seconds=self._settings.keep_s)
        while job_ids := await self._backlog.ended_before(moment, limit=_AT_ONCE):
            for job_id in job_ids:
                await self._remove_job(job_id)

    async def _remove_job(self, job_id: str) -> None:
        try:
            job = await self._jobs.get(job_id)
        except JobNotFound:
            return
        if self._settings.delete_objects:
            await self._delete(_objects_of(job))
        await self._ledger.delete(job_id)
        log.info("old job removed", job_id=job_id)

    async def _delete(self, keys: Iterable[ObjectKey]) -> None:
        for key in keys:
            try:
                await self._objects.delete(key)
            except BadInput as error:
                log.warning("not a key", reason=str(error))


def _objects_of(job: Job) -> Iterable[ObjectKey]:
    for image in job.images:
        for key in _original_keys(image):
            yield ObjectKey(Bucket.ORIGINAL, key)
        if image.processed_path:
            yield ObjectKey(Bucket.PROCESSED, image.processed_path)


def _original_keys(image: Image) -> Iterable[str]:
    """A download that crashed may have left an object of either type."""
    if image.source_url is not None:
        return possible_keys(image.trace_id)
    return [image.original.key] if image.original else []

"""Removes what nobody needs any more: leftovers of requests that ended without a job, jobs whose time is over with
their dead letters, dead letters whose job is long gone, and answers to idempotency keys that have expired.

Objects go first, the record of them last, so that a crash in between only repeats the work. Before its tagged
images go, a job is withdrawn: from then on none of them is reused, and those that were before stay. Before its
originals go, it is retired: from then on no retry of it is accepted, and one that was before keeps those that it works
on. The last of the jobs that name an object takes it along. Never by listing a bucket: it holds others' objects too.

What a process has sent to the object store may arrive after its end. So leftovers of a crash are removed at the start,
and once more when nothing of it can arrive any more.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from attrs import define, field

from gateway.cancellation import to_its_end
from gateway.domain.job import Job
from gateway.errors import BadInput
from gateway.jobs.ledger import Ledger
from gateway.jobs.originals import possible_keys
from gateway.jobs.processed import known_paths
from gateway.jobs.settings import JobsSettings
from gateway.jobs.side_by_side import for_each
from gateway.pacing import keep_doing
from gateway.ports.answers import Answers
from gateway.ports.backlog import Backlog
from gateway.ports.clock import Clock
from gateway.ports.dead_letters import DeadLetterStore
from gateway.ports.job_store import JobNotFound, JobStore
from gateway.ports.object_store import Bucket, ObjectKey, ObjectStore
from gateway.ports.reservations import Reservations
from gateway.ports.reuse import AnalysedImages

log = structlog.get_logger(__name__)

_AT_ONCE = 100
_ANSWERS_AT_ONCE = 1000  # a day of them in one transaction would hold up everybody who commits
_JOBS_AT_ONCE = 8
_DELETES_AT_ONCE = 16
_MOST_LEFTOVERS = 100_000
GRACE_S: Final = 1.5
"""How long leftovers that are being removed when a stop comes may still take; well below what a service has."""


@define(eq=False)
class Cleaner:
    """A Service. `late_s`: what was sent to the store arrives within that time, or never."""

    _ledger: Ledger
    _jobs: JobStore
    _backlog: Backlog
    _reservations: Reservations
    _answers: Answers
    _letters: DeadLetterStore
    _analysed: AnalysedImages
    _objects: ObjectStore
    _clock: Clock
    _settings: JobsSettings
    _late_s: float
    name: str = "cleaner"
    _leftovers: list[str] = field(factory=list)
    _deletes: asyncio.Semaphore = field(init=False, factory=lambda: asyncio.Semaphore(_DELETES_AT_ONCE))

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self.run_once, pause_s=self._settings.clean_every_s)

    async def run_once(self) -> None:
        """Remove what is due now, what makes room on a full disk first. Raises Unavailable, NoRoom."""
        moment = self._clock.now() - timedelta(seconds=self._settings.keep_s)
        await self._remove_old_jobs(moment)
        while self._leftovers:
            await self._remove_leftovers_of_a_crash(self._leftovers[:_AT_ONCE])
            del self._leftovers[:_AT_ONCE]
        while overdue := await self._reservations.overdue(self._clock.now(), limit=_AT_ONCE):
            await self._remove_leftovers(overdue)
        await self._letters.forget_letters(before=moment)
        while await self._answers.forget_answers(before=self._clock.now(), limit=_ANSWERS_AT_ONCE):
            pass

    async def find_leftovers_of_a_crash(self) -> None:
        """At a start no request is under way yet: every reservation is a leftover, also one that is not due."""
        due = frozenset(await self._reservations.overdue(self._clock.now(), limit=_MOST_LEFTOVERS))
        end_of_time = datetime.max.replace(tzinfo=UTC)
        all_that_stand = await self._reservations.overdue(end_of_time, limit=_MOST_LEFTOVERS)
        self._leftovers += [trace_id for trace_id in all_that_stand if trace_id not in due]

    async def _remove_leftovers_of_a_crash(self, trace_ids: Sequence[str]) -> None:
        """No request can use them any more. They stay reserved for as long as something may arrive there."""
        deadline = self._clock.now() + timedelta(seconds=self._late_s)
        await self._reservations.reserve(trace_ids, deadline=deadline)
        await self._delete_originals(trace_ids)
        log.info("leftovers of a crash removed", reservations=len(trace_ids))

    async def _remove_leftovers(self, trace_ids: Sequence[str]) -> None:
        """All of them, also where a stop comes meanwhile: what is claimed then and not removed waits for a start."""
        await to_its_end(self._claim_and_remove(trace_ids), grace_s=GRACE_S)

    async def _claim_and_remove(self, trace_ids: Sequence[str]) -> None:
        """Claimed first: a request that is still under way can't commit a job whose objects we remove."""
        claimed = await self._reservations.claim(trace_ids)
        await self._delete_originals(claimed)
        await self._reservations.release(claimed)
        log.info("leftovers of requests removed", reservations=len(claimed))

    async def _remove_old_jobs(self, moment: datetime) -> None:
        while job_ids := await self._backlog.ended_before(moment, limit=_AT_ONCE):
            jobs = [job for job_id in job_ids if (job := await self._job(job_id))]
            reused = await self._analysed.withdraw(job_ids)
            # Of all of them before anything is written: a full disk may have no room for that until they are gone.
            for job in jobs:
                await self._remove(Bucket.PROCESSED, set(_processed_keys(job)) - reused)
            # Side by side, for each waits for two commits, and many share one.
            await for_each(jobs, self._remove_old_job, at_once=_JOBS_AT_ONCE)

    async def _remove_old_job(self, job: Job) -> None:
        """All of it but its tagged images, which are gone."""
        shared = await self._jobs.retire(job.job_id)
        await self._remove(Bucket.ORIGINAL, (key for key in _original_keys(job) if key not in shared))
        await self._ledger.delete(job.job_id)
        log.info("old job removed", job_id=job.job_id)

    async def _job(self, job_id: str) -> Job | None:
        try:
            return await self._jobs.get(job_id)
        except JobNotFound:
            return None

    async def _remove(self, bucket: Bucket, keys: Iterable[str]) -> None:
        """What an old job leaves there, if it is to go with it."""
        if self._settings.delete_objects:
            await self._delete(ObjectKey(bucket, key) for key in keys)

    async def _delete_originals(self, trace_ids: Sequence[str]) -> None:
        keys = (key for trace_id in trace_ids for key in possible_keys(trace_id))
        await self._delete(ObjectKey(Bucket.ORIGINAL, key) for key in keys)

    async def _delete(self, keys: Iterable[ObjectKey]) -> None:
        await for_each(dict.fromkeys(keys), self._delete_one, at_once=_DELETES_AT_ONCE)

    async def _delete_one(self, key: ObjectKey) -> None:
        try:
            async with self._deletes:
                await self._objects.delete(key)
        except BadInput as error:
            log.warning("not a key", reason=str(error))


def _processed_keys(job: Job) -> Iterable[str]:
    """Also of attempts that lost, or whose result was. An image that was reused had none of its own."""
    for image in job.images:
        if image.processed_path:
            yield image.processed_path
        if image.reused_from is None:
            yield from (path for _, path in known_paths(image))


def _original_keys(job: Job) -> Iterable[str]:
    """A download that crashed may have left an object of either type, an image that was refused a part of one; an
    image tried again has another's original.
    """
    for image in job.images:
        if image.original is not None:
            yield image.original.key
        if image.original is None or image.source_url is not None:
            yield from possible_keys(image.trace_id)

"""Takes results: commits each, then acks it.

Results come at least once and in any order. What has arrived is one group: those of a job are decided in one change,
in their order, and all changes are committed together. One that is not ours is parked for its owner, a malformed one
is copied to the dead letters (a reject would destroy both); a late one is counted as such and its object removed.
What a store that is down holds up waits in hand and is given back after a pause; the others go on.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Final

import structlog
from attrs import define, field, frozen

from gateway.domain.attempt import AttemptName, parse_attempt
from gateway.domain.events import Change
from gateway.domain.job import Failure, Image, Job, Status
from gateway.domain.transitions import AttemptEnd, attempts_ended
from gateway.errors import BadInput, GatewayError
from gateway.events.latest import LatestJobs
from gateway.failure_codes import TAGGING_CODES, TAGGING_FAILED
from gateway.jobs.failure_texts import fit_for_clients
from gateway.jobs.ledger import Ledger
from gateway.jobs.processed import ProcessedImages, is_of_attempt
from gateway.messages import FAILURE_CODE, ImageProcessed, Malformed, decode
from gateway.pacing import keep_doing, pause_after
from gateway.ports.broker import Broker, Delivery, Queue, Subscription
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound
from gateway.ports.object_store import ObjectNotFound
from gateway.ports.reuse import AnalysedImages
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_NO_OBJECT: Final = Failure("storage_failed", "the tagged image is not in the object store")


class ResultKind(StrEnum):
    """What became of a result.

    COUNTED: it ended its image. REPEATED: it is the one that did. LATE: another attempt, a cancel or the cleaner was
    first. FOREIGN, MALFORMED: it went to another queue.
    """

    COUNTED = "counted"
    REPEATED = "repeated"
    LATE = "late"
    FOREIGN = "foreign"
    MALFORMED = "malformed"


@frozen(eq=False)
class _Result:
    """One of ours, in hand."""

    delivery: Delivery
    message: ImageProcessed
    name: AttemptName


@define(eq=False)
class Collector:
    """A Service."""

    _ledger: Ledger
    _latest: LatestJobs
    _broker: Broker
    _analysed: AnalysedImages
    _processed: ProcessedImages
    _clock: Clock
    _prefix: str
    _prefetch: int
    _metrics: Metrics
    name: str = "collector"
    _trouble: int = field(init=False, default=0)
    _giving_back: set[asyncio.Task[None]] = field(init=False, factory=set)

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self._session)

    async def _session(self) -> None:
        async with self._broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=self._prefetch) as results:
            try:
                while True:
                    await self.run_once(results)
            finally:
                await self._stop_giving_back()

    async def run_once(self, results: Subscription) -> None:
        """Take what has arrived, as one group."""
        deliveries = await results.next_batch(self._prefetch)
        done = await self._settle_all(deliveries)
        await results.ack([delivery for delivery in deliveries if delivery in done])
        left = [delivery for delivery in deliveries if delivery not in done]
        self._trouble = self._trouble + 1 if left else 0
        if left:
            self._give_back_later(results, left)

    async def _settle_all(self, deliveries: Sequence[Delivery]) -> set[Delivery]:
        """Those that are done with; the others are left for later."""
        done: set[Delivery] = set()
        by_job: dict[str, list[_Result]] = {}
        async with asyncio.TaskGroup() as steps:
            for delivery in deliveries:
                read = self._read(delivery)
                if isinstance(read, _Result):
                    by_job.setdefault(read.message.group_id, []).append(read)
                else:
                    steps.create_task(self._hand_on(delivery, read, done))
            for job_id, results in by_job.items():
                steps.create_task(self._settle_job(job_id, results, done))
        return done

    def _read(self, delivery: Delivery) -> _Result | ResultKind:
        try:
            message = decode(ImageProcessed, delivery.body)
        except Malformed as error:
            log.warning("malformed result", reason=str(error))
            return ResultKind.MALFORMED
        name = parse_attempt(message.trace_id, self._prefix)
        return ResultKind.FOREIGN if name is None else _Result(delivery, message, name)

    async def _hand_on(self, delivery: Delivery, kind: ResultKind, done: set[Delivery]) -> None:
        queue = Queue.FOREIGN if kind is ResultKind.FOREIGN else Queue.DEAD_LETTER
        try:
            await self._broker.publish(queue, delivery.body, delivery.headers)
        except GatewayError as error:
            _leave_for_later(error)
            return
        self._tally(kind)
        done.add(delivery)

    async def _settle_job(self, job_id: str, results: Sequence[_Result], done: set[Delivery]) -> None:
        ends = await self._ends(results)
        try:
            counted = await self._commit(job_id, [end for _, end in ends])
        except GatewayError as error:
            _leave_for_later(error, job_id)
            return
        told: dict[ResultKind, list[_Result]] = {}
        for (result, _), was_counted in zip(ends, counted, strict=True):
            kind = ResultKind.COUNTED if was_counted else await self._settle_late(result)
            if kind is not None:
                told.setdefault(kind, []).append(result)
                done.add(result.delivery)
        self._tell(job_id, told)

    async def _ends(self, results: Sequence[_Result]) -> Sequence[tuple[_Result, AttemptEnd]]:
        """What each says of its attempt, in their order; without those whose object can't be read now."""
        completed = [result for result in results if result.message.status == "completed"]
        read = dict(zip(completed, await asyncio.gather(*map(self._completed, completed)), strict=True))
        ends = ((result, read[result] if result in read else self._failed(result)) for result in results)
        return [(result, end) for result, end in ends if end is not None]

    def _failed(self, result: _Result) -> AttemptEnd:
        failure = Failure(_code(result.delivery), fit_for_clients(result.message.error))
        return AttemptEnd(result.name, self._clock.now(), failure=failure)

    async def _completed(self, result: _Result) -> AttemptEnd | None:
        message, name, now = result.message, result.name, self._clock.now()
        path = message.processed_path
        try:
            words = await self._processed.read_words(path)
        except (ObjectNotFound, BadInput) as error:
            log.warning("no object where the result says", trace_id=message.trace_id, reason=str(error))
            return AttemptEnd(name, now, failure=_NO_OBJECT)
        except GatewayError as error:
            _leave_for_later(error, message.group_id)
            return None
        return AttemptEnd(name, now, processed_path=path, metadata=words)

    async def _commit(self, job_id: str, ends: Sequence[AttemptEnd]) -> Sequence[bool]:
        """Which of them counted. Raises Unavailable, NoRoom."""
        counted = [False] * len(ends)

        def decide(job: Job) -> Change | None:
            change, counted[:] = attempts_ended(job, ends)
            return change

        with suppress(JobNotFound):
            await self._ledger.change(job_id, decide)
        return counted

    async def _settle_late(self, result: _Result) -> ResultKind | None:
        """Delete the object of a result that came too late, unless images have ended with that very object.

        Also one of another job, for of a job that is gone results may be repeated.
        """
        path = result.message.processed_path
        try:
            image = await self._image_of(result)
            if image is not None and _is_repeated(image, result):
                return ResultKind.REPEATED
            if is_of_attempt(path, result.name) and not await self._is_named(path, image):
                await self._processed.remove(path)
        except GatewayError as error:
            _leave_for_later(error, result.message.group_id)
            return None
        return ResultKind.LATE

    async def _is_named(self, path: str, image: Image | None) -> bool:
        """Whether the image, or in place of a job that is gone another one, has its tagged copy there."""
        if image is not None:
            return image.processed_path == path
        return await self._analysed.is_shared(path)

    async def _image_of(self, result: _Result) -> Image | None:
        try:
            job = await self._latest.get(result.message.group_id)
        except JobNotFound:
            return None
        return job.image_of(result.name.trace_id)

    def _tell(self, job_id: str, told: Mapping[ResultKind, Sequence[_Result]]) -> None:
        """One line for those of a job: a line each would cost more than all the rest."""
        for kind, results in told.items():
            self._tally(kind, len(results))
            failed = {
                result.message.trace_id: result.message.error for result in results if result.message.error
            }
            log.info(
                "results",
                job_id=job_id,
                kind=kind.value,
                trace_ids=[result.message.trace_id for result in results],
                **({"reasons": failed} if failed else {}),
            )

    def _tally(self, kind: ResultKind, number: int = 1) -> None:
        self._metrics.jobs.results.of(kind=kind).add(number)

    def _give_back_later(self, results: Subscription, left: Sequence[Delivery]) -> None:
        """They stay in hand meanwhile, so no more than the prefetch can pile up."""
        giving = asyncio.create_task(
            _give_back(results, left, pause_after(self._trouble)), name="collector-give-back"
        )
        self._giving_back.add(giving)
        giving.add_done_callback(self._giving_back.discard)

    async def _stop_giving_back(self) -> None:
        """What is in hand when the subscription ends comes again anyway."""
        giving = list(self._giving_back)
        for task in giving:
            task.cancel()
        await asyncio.gather(*giving, return_exceptions=True)


async def _give_back(results: Subscription, left: Sequence[Delivery], pause_s: float) -> None:
    await asyncio.sleep(pause_s)
    with suppress(GatewayError):
        for delivery in left:
            await results.requeue(delivery)


def _code(failed: Delivery) -> str:
    """As a processor of ours gives it."""
    told = failed.headers.get(FAILURE_CODE)
    return told if isinstance(told, str) and told in TAGGING_CODES else TAGGING_FAILED


def _is_repeated(image: Image, result: _Result) -> bool:
    """Whether the image ended by this very result."""
    if result.message.status == "completed":
        return image.status is Status.COMPLETED and image.processed_path == result.message.processed_path
    return image.status is Status.FAILED and image.attempt == result.name.number


def _leave_for_later(error: GatewayError, job_id: str | None = None) -> None:
    log.warning("result left for later", reason=str(error), job_id=job_id)

"""Takes results: commits each, then acks it.

Results come at least once and in any order. What has arrived is one group: those of a job are decided in one change,
in their order, and all changes are committed together. One that is not ours is parked for its owner, a malformed one
is copied to the dead letters (a reject would destroy both); a late one is counted as such and its object removed, and
so is what other attempts of an image that has ended have left.
What a store that is down holds up waits in hand and is given back after a pause; the others go on.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog
from attrs import define, field

from gateway.domain.events import Change
from gateway.domain.job import Failure, Image, Job
from gateway.domain.transitions import AttemptEnd, attempts_ended
from gateway.errors import BadInput, GatewayError
from gateway.events.latest import LatestJobs
from gateway.jobs.failure_texts import fit_for_clients
from gateway.jobs.ledger import Ledger
from gateway.jobs.processed import ProcessedImages
from gateway.jobs.results.result import Result, ResultKind, read_result
from gateway.pacing import keep_doing, pause_after
from gateway.ports.broker import Broker, Delivery, Queue, Subscription
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound
from gateway.ports.object_store import ObjectNotFound
from gateway.ports.reuse import AnalysedImages
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_NO_OBJECT: Final = Failure("storage_failed", "the tagged image is not in the object store")


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
        by_job: dict[str, list[Result]] = {}
        async with asyncio.TaskGroup() as steps:
            for delivery in deliveries:
                read = read_result(delivery, self._prefix)
                if isinstance(read, Result):
                    by_job.setdefault(read.message.group_id, []).append(read)
                else:
                    steps.create_task(self._hand_on(delivery, read, done))
            for job_id, results in by_job.items():
                steps.create_task(self._settle_job(job_id, results, done))
        return done

    async def _hand_on(self, delivery: Delivery, kind: ResultKind, done: set[Delivery]) -> None:
        queue = Queue.FOREIGN if kind is ResultKind.FOREIGN else Queue.DEAD_LETTER
        try:
            await self._broker.publish(queue, delivery.body, delivery.headers)
        except GatewayError as error:
            _leave_for_later(error)
            return
        self._tally(kind)
        done.add(delivery)

    async def _settle_job(self, job_id: str, results: Sequence[Result], done: set[Delivery]) -> None:
        ends = await self._ends(results)
        try:
            ended = await self._commit(job_id, [end for _, end in ends])
        except GatewayError as error:
            _leave_for_later(error, job_id)
            return
        self._tell(
            job_id,
            ResultKind.COUNTED,
            [result for (result, _), image in zip(ends, ended, strict=True) if image is not None],
        )
        late: dict[ResultKind, list[Result]] = {}
        async with asyncio.TaskGroup() as steps:
            for (result, _), image in zip(ends, ended, strict=True):
                if image is None:
                    steps.create_task(self._settle_late(result, late, done))
                elif leftovers := result.leftovers(image):
                    steps.create_task(self._settle(result, leftovers, done))
                else:
                    done.add(result.delivery)
        for kind, told in late.items():
            self._tell(job_id, kind, told)

    async def _ends(self, results: Sequence[Result]) -> Sequence[tuple[Result, AttemptEnd]]:
        """What each says of its attempt, in their order; without those whose object can't be read now."""
        completed = [result for result in results if not result.is_failure]
        read = dict(zip(completed, await asyncio.gather(*map(self._completed, completed)), strict=True))
        ends = ((result, read[result] if result in read else self._failed(result)) for result in results)
        return [(result, end) for result, end in ends if end is not None]

    def _failed(self, result: Result) -> AttemptEnd:
        failure = Failure(result.failure_code, fit_for_clients(result.message.error))
        return AttemptEnd(result.name, self._clock.now(), failure=failure)

    async def _completed(self, result: Result) -> AttemptEnd | None:
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

    async def _commit(self, job_id: str, ends: Sequence[AttemptEnd]) -> Sequence[Image | None]:
        """The image that each of them has ended; None for one that did not count. Raises Unavailable, NoRoom."""
        ended: list[Image | None] = [None] * len(ends)

        def decide(job: Job) -> Change | None:
            change, ended[:] = attempts_ended(job, ends)
            return change

        with suppress(JobNotFound):
            await self._ledger.change(job_id, decide)
        return ended

    async def _settle(self, result: Result, leftovers: Sequence[str], done: set[Delivery]) -> None:
        """One that counted, once what its image left behind is removed."""
        try:
            await self._processed.remove(leftovers)
        except GatewayError as error:
            _leave_for_later(error, result.message.group_id)
            return
        done.add(result.delivery)

    async def _settle_late(
        self, result: Result, late: dict[ResultKind, list[Result]], done: set[Delivery]
    ) -> None:
        """One that did not count: it did before, or comes too late."""
        try:
            kind = await self._clear_up(result)
        except GatewayError as error:
            _leave_for_later(error, result.message.group_id)
            return
        late.setdefault(kind, []).append(result)
        done.add(result.delivery)

    async def _clear_up(self, result: Result) -> ResultKind:
        """Remove what a result that did not count has left behind; which kind it is. Raises Unavailable."""
        try:
            job = await self._latest.get(result.message.group_id)
        except JobNotFound:
            await self._remove_what_nobody_reuses(result)
            return ResultKind.LATE
        image = job.image_of(result.name.trace_id)
        if image is None:  # it names a job that is not its image's: that one may have ended with the object
            return ResultKind.LATE
        if image.status.is_final:  # one that is open may yet be completed with what an attempt has put
            await self._processed.remove(result.leftovers(image))
        return ResultKind.REPEATED if result.has_ended(image) else ResultKind.LATE

    async def _remove_what_nobody_reuses(self, result: Result) -> None:
        """Of a job that is gone. A result may be repeated, and another job name its object. Raises Unavailable."""
        unshared = [path for path in result.paths() if not await self._analysed.is_shared(path)]
        await self._processed.remove(unshared)

    def _tell(self, job_id: str, kind: ResultKind, results: Sequence[Result]) -> None:
        """One line for those of a job, if there are any: a line each would cost more than all the rest."""
        if not results:
            return
        self._tally(kind, len(results))
        failed = {result.message.trace_id: result.message.error for result in results if result.message.error}
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


def _leave_for_later(error: GatewayError, job_id: str | None = None) -> None:
    log.warning("result left for later", reason=str(error), job_id=job_id)

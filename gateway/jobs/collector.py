"""Takes results: commits each, then acks it.

Results come at least once and in any order. One that is not ours is parked for its owner, a malformed one is copied
to the dead letters (a reject would destroy both); a late one is counted as such and its object removed.
"""

import asyncio

import structlog
from attrs import define, field

from gateway.domain.attempt import AttemptName, parse_attempt
from gateway.domain.job import Failure, Status
from gateway.domain.transitions import attempt_completed, attempt_failed
from gateway.errors import BadInput, GatewayError
from gateway.events.latest import LatestJobs
from gateway.images.embedded_metadata import HEAD_BYTES, read_metadata
from gateway.jobs.failure_texts import fit_for_clients
from gateway.jobs.ledger import Ledger
from gateway.messages import ImageProcessed, Malformed, decode
from gateway.metadata import Metadata
from gateway.pacing import keep_doing, pause_after
from gateway.ports.broker import Broker, Delivery, Queue, Subscription
from gateway.ports.clock import Clock
from gateway.ports.job_store import JobNotFound
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound, ObjectStore

log = structlog.get_logger(__name__)


@define(eq=False)
class Collector:
    """A Service."""

    _ledger: Ledger
    _latest: LatestJobs
    _broker: Broker
    _objects: ObjectStore
    _clock: Clock
    _prefix: str
    _prefetch: int
    name: str = "collector"
    _trouble: int = field(default=0)

    async def run(self) -> None:
        """Work until cancelled."""
        await keep_doing(self.name, self._session)

    async def _session(self) -> None:
        async with self._broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=self._prefetch) as results:
            while True:
                await self.run_once(results)

    async def run_once(self, results: Subscription) -> None:
        """Take what has arrived, as one group."""
        deliveries = await results.next_batch(self._prefetch)
        taken = await asyncio.gather(*map(self._take, deliveries))
        await results.ack([delivery for delivery, done in zip(deliveries, taken, strict=True) if done])
        self._trouble = 0 if all(taken) else self._trouble + 1
        if self._trouble:
            await asyncio.sleep(pause_after(self._trouble))
            for delivery, done in zip(deliveries, taken, strict=True):
                if not done:
                    await results.requeue(delivery)

    async def _take(self, delivery: Delivery) -> bool:
        """Whether the message is done with; a store or a broker that is down leaves it for later."""
        try:
            await self._settle(delivery)
        except GatewayError as error:
            log.warning("result left for later", reason=str(error))
            return False
        return True

    async def _settle(self, delivery: Delivery) -> None:
        try:
            result = decode(ImageProcessed, delivery.body)
        except Malformed as error:
            log.warning("malformed result", reason=str(error))
            await self._broker.publish(Queue.DEAD_LETTER, delivery.body, delivery.headers)
            return
        name = parse_attempt(result.trace_id, self._prefix)
        if name is None:
            await self._broker.publish(Queue.FOREIGN, delivery.body, delivery.headers)
            return
        with structlog.contextvars.bound_contextvars(job_id=result.group_id, trace_id=result.trace_id):
            await self._record(result, name)

    async def _record(self, result: ImageProcessed, name: AttemptName) -> None:
        try:
            counted = await self._count(result, name)
        except JobNotFound:
            counted = False
        if counted:
            log.info("image ended", status=result.status)
            return
        log.info("late or repeated result", status=result.status)
        await self._remove_loser(result, name)

    async def _count(self, result: ImageProcessed, name: AttemptName) -> bool:
        if result.status == "failed":
            log.warning("attempt failed", reason=result.error)
            return await self._fail(result, name, Failure("tagging_failed", fit_for_clients(result.error)))
        path = result.processed_path
        try:
            words = await self._read_words(path)
        except (ObjectNotFound, BadInput) as error:
            log.warning("no object where the result says", reason=str(error))
            missing = Failure("storage_failed", "the tagged image is not in the object store")
            return await self._fail(result, name, missing)
        now = self._clock.now()
        change = await self._ledger.change(
            result.group_id, lambda job: attempt_completed(job, name, path, words, now)
        )
        return change is not None

    async def _fail(self, result: ImageProcessed, name: AttemptName, failure: Failure) -> bool:
        now = self._clock.now()
        change = await self._ledger.change(
            result.group_id, lambda job: attempt_failed(job, name, failure, now)
        )
        return change is not None

    async def _read_words(self, path: str) -> Metadata | None:
        """What the processed image says about itself; the result message has no field for it."""
        key = ObjectKey(Bucket.PROCESSED, path)
        async with self._objects.open(key, end=HEAD_BYTES) as reader:
            head = b"".join([chunk async for chunk in reader.chunks])
        # In a thread: a hostile head may keep the parsers busy.
        return await asyncio.to_thread(read_metadata, head)

    async def _remove_loser(self, result: ImageProcessed, name: AttemptName) -> None:
        """Delete the object of a result that came too late, unless it is the one that was counted."""
        path = result.processed_path
        if not path or str(name) not in path.split("/"):
            return
        try:
            job = await self._latest.get(result.group_id)
            image = job.image_of(name.trace_id)
        except JobNotFound:
            image = None
        if image is not None and image.status is Status.COMPLETED and image.processed_path == path:
            return
        try:
            await self._objects.delete(ObjectKey(Bucket.PROCESSED, path))
        except BadInput as error:
            log.warning("late result names no object", reason=str(error))

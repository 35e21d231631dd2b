"""Workers that take one message after the other from a queue, as analyzer and processor do.

Each worker has a subscription of its own, mostly with prefetch 1, so that a slow image holds up no other. What becomes
of a message is the handler's word: one that returns is done with it, one that raises Hopeless rejects it, and one that
meets other foreseen trouble gives it back and pauses.

A reject of AMQP has no place for its reason. So a message is rejected by a copy of it in the dead letters, with the
reason as headers, and an ack once the broker has confirmed that.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import structlog
from attrs import define, field

from gateway.cancellation import is_being_cancelled
from gateway.errors import GatewayError, Unavailable
from gateway.messages import FAILURE_CODE, REJECT_REASON
from gateway.pacing import keep_doing, pause_after
from gateway.ports.broker import Broker, Delivery, Queue, Subscription, Unroutable
from gateway.telemetry.metrics import WorkerMetrics

log = structlog.get_logger(__name__)


class Hopeless(GatewayError):
    """Nobody can do what the message asks: to the dead letters, with text and code."""

    default_code = "hopeless"


Handler = Callable[[Delivery], Awaitable[None]]


@define(eq=False)
class Workers:
    """`count` workers on one queue, each with `prefetch` messages in hand; a Service."""

    name: str
    _broker: Broker
    _queue: Queue
    _handler: Handler
    _metrics: WorkerMetrics
    _count: int
    _prefetch: int = 1
    _at_work: dict[asyncio.Task[None], asyncio.Lock] = field(factory=dict)
    """Each worker, with what it holds while it handles a message."""

    async def run(self) -> None:
        """Work until cancelled, or finished; what is in hand then is delivered again."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                handling = asyncio.Lock()
                task = group.create_task(self._work(handling), name=f"{self.name}-{number}")
                self._at_work[task] = handling

    async def finish(self, within_s: float) -> None:
        """Take nothing more; returns when no message is handled any longer, or after `within_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(_dismiss(*worker) for worker in self._at_work.items()))

    async def _work(self, handling: asyncio.Lock) -> None:
        try:
            await keep_doing(self.name, partial(self._session, handling))
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            raise RuntimeError("a wait was cancelled, and not by us") from error  # the group would not notice

    async def _session(self, handling: asyncio.Lock) -> None:
        trouble = 0
        async with self._broker.subscribe(self._queue, prefetch=self._prefetch) as subscription:
            while True:
                for delivery in await subscription.next_batch(1):
                    async with handling:
                        is_done = await self._handle(subscription, delivery)
                    trouble = 0 if is_done else trouble + 1
                    if trouble:
                        await asyncio.sleep(pause_after(trouble))
                        await subscription.requeue(delivery)

    async def _handle(self, subscription: Subscription, delivery: Delivery) -> bool:
        """Whether the message is done with, by an ack or a reject."""
        log.debug("message in hand", service=self.name, redelivered=delivery.redelivered)
        try:
            outcome = await self._settle(subscription, delivery)
        except GatewayError as error:
            self._tally("given_back")
            log.warning("message given back", service=self.name, reason=str(error))
            return False
        self._tally(outcome)
        return True

    async def _settle(self, subscription: Subscription, delivery: Delivery) -> str:
        """What became of it. Raises GatewayError when that must wait."""
        try:
            with self._metrics.image_seconds.of(worker=self.name).timed():
                await self._handler(delivery)
        except Hopeless as error:
            await self._reject(subscription, delivery, error)
            return "rejected"
        await subscription.ack([delivery])
        return "done"

    async def _reject(self, subscription: Subscription, delivery: Delivery, why: Hopeless) -> None:
        """With the reason, or else by the broker's own reject, which tells none. Raises Unavailable.

        Else: there is no queue for dead letters, or it took nothing the last time either. Some are full and refuse,
        and a hopeless message must not come round for ever.
        """
        headers = {**delivery.headers, REJECT_REASON: why.text, FAILURE_CODE: why.code}
        try:
            await self._broker.publish(Queue.DEAD_LETTER, delivery.body, headers)
        except Unroutable:
            await subscription.reject(delivery)
        except Unavailable:
            if not delivery.redelivered:
                raise
            await subscription.reject(delivery)
        else:
            await subscription.ack([delivery])

    def _tally(self, outcome: str) -> None:
        self._metrics.messages.of(worker=self.name, outcome=outcome).add()


async def _dismiss(worker: asyncio.Task[None], handling: asyncio.Lock) -> None:
    """Once it handles no message. The lock is fair: the worker can't begin another one before this."""
    async with handling:
        worker.cancel()

"""What becomes of each message, and of trouble.

Each worker has a subscription of its own, mostly with prefetch 1, so that a slow image holds up no other. What becomes
of a message is the handler's word: one that returns is done with it, one that raises Hopeless rejects it, and one that
meets other foreseen trouble puts it back and pauses.

A reject of AMQP has no place for its reason. So a message is rejected by a copy of it in the dead letters, with the
reason as headers, and an ack once the broker has confirmed that. Likewise it is put back by a copy at the end of its
queue: the broker's own way would call it redelivered, which is what is said of a message whose worker died over it.

Such a one is counted before anybody works on it again. From the third try on it is worked on alone, and after the last
one it is given up. Nothing is counted that comes again to the very process that had begun it: that one lives, and lost
its connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import structlog
from attrs import define, field

from gateway.cancellation import is_being_cancelled
from gateway.consuming.begun import Begun
from gateway.consuming.company import Company
from gateway.consuming.tries import for_the_next_try, tries_of, without_tries
from gateway.errors import GatewayError, Unavailable
from gateway.messages import FAILURE_CODE, REJECT_REASON
from gateway.pacing import keep_doing, pause_after
from gateway.ports.broker import Broker, Delivery, Queue, Subscription, Unroutable
from gateway.telemetry.metrics import WorkerMetrics

log = structlog.get_logger(__name__)


class Hopeless(GatewayError):
    """Nobody can do what the message asks: to the dead letters, with text and code."""

    default_code = "hopeless"


class _NotRejected(Unavailable):
    """The dead letters take nothing now."""


Handler = Callable[[Delivery], Awaitable[None]]

GIVEN_UP: Final = "Each process that worked on it ended in the middle of it."
ALONE_FROM: Final = 3
"""Which try is made alone. The second is not yet: a broker that restarts makes all that is in hand come again."""


async def _reject_it(_: Delivery) -> None:
    raise Hopeless(GIVEN_UP)


@define(eq=False)
class Workers:
    """`count` workers on one queue, each with `prefetch` messages in hand; a Service.

    Work on a message is begun `max_tries` times at most; `give_up` says what then becomes of it, as a handler does.
    """

    name: str
    _broker: Broker
    _queue: Queue
    _handler: Handler
    _metrics: WorkerMetrics
    _count: int
    _prefetch: int = 1
    _max_tries: int = 5
    _give_up: Handler = _reject_it
    _company: Company = field(init=False, factory=Company)
    _begun: Begun = field(init=False, factory=Begun)
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
        """Until another worker is to be alone."""
        trouble = 0
        subscribing = self._broker.subscribe(self._queue, prefetch=self._prefetch)
        async with self._company.joined(subscribing) as subscription:
            while deliveries := await subscription.next_batch(1):
                for delivery in deliveries:
                    async with handling:
                        why_not = await self._handle(subscription, delivery)
                    trouble = trouble + 1 if why_not else 0
                    if why_not:
                        await asyncio.sleep(pause_after(trouble))
                        await self._give_back(subscription, delivery, why_not)

    async def _handle(self, subscription: Subscription, delivery: Delivery) -> GatewayError | None:
        """Why the message must wait; None when it is done with."""
        try:
            await self._take(subscription, delivery)
        except GatewayError as error:
            self._tally("given_back")
            log.warning("message given back", service=self.name, reason=str(error))
            return error
        return None

    async def _take(self, subscription: Subscription, delivery: Delivery) -> None:
        """Raises GatewayError when it must wait."""
        tries = tries_of(delivery)
        if self._has_cost_a_try(delivery) and tries >= self._max_tries:
            log.warning("message given up", service=self.name, tries=tries)
            await self._settle(subscription, delivery, self._give_up)
        elif self._has_cost_a_try(delivery):
            await self._count_try(subscription, delivery)
        elif tries < ALONE_FROM:
            await self._work_on(subscription, delivery)
        elif self._company.is_parting():
            await self._put_back(subscription, delivery)
        else:
            async with self._company.alone():
                await self._put_back_the_rest(subscription)
                await self._work_on(subscription, delivery)

    def _has_cost_a_try(self, delivery: Delivery) -> bool:
        """Whether another had it in hand and may have died over it."""
        return delivery.redelivered and delivery not in self._begun

    async def _work_on(self, subscription: Subscription, delivery: Delivery) -> None:
        log.debug("message in hand", service=self.name, tries=tries_of(delivery))
        self._begun.add(delivery)
        with self._metrics.image_seconds.of(worker=self.name).timed():
            await self._settle(subscription, delivery, self._handler)

    async def _settle(self, subscription: Subscription, delivery: Delivery, handler: Handler) -> None:
        """As the handler says. Raises GatewayError when that must wait."""
        try:
            await handler(delivery)
        except Hopeless as error:
            await self._reject(subscription, delivery, error)
            self._tally("rejected")
            return
        await subscription.ack([delivery])
        self._tally("done")

    async def _count_try(self, subscription: Subscription, delivery: Delivery) -> None:
        """The try is committed before it is made. Raises Unavailable."""
        log.info("message came again", service=self.name, tries=tries_of(delivery))
        await self._broker.publish(self._queue, delivery.body, for_the_next_try(delivery))
        await subscription.ack([delivery])
        self._tally("counted")

    async def _give_back(self, subscription: Subscription, delivery: Delivery, why: GatewayError) -> None:
        if self._has_cost_a_try(delivery) or isinstance(why, _NotRejected):  # so that it is counted then
            self._begun.discard(delivery)
            await subscription.requeue(delivery)
        else:
            await self._put_back(subscription, delivery)

    async def _put_back(self, subscription: Subscription, delivery: Delivery) -> None:
        """As it came, if that can be. Whoever takes it then may die over it."""
        if not subscription.holds(delivery):
            return  # its connection is gone: it comes again, and a copy would make two of it
        self._begun.discard(delivery)
        try:
            await self._broker.publish(self._queue, delivery.body, delivery.headers)
        except GatewayError:
            await subscription.requeue(delivery)
        else:
            await subscription.ack([delivery])

    async def _put_back_the_rest(self, subscription: Subscription) -> None:
        """What it has in hand and has not begun. To be called when nothing more is taken."""
        while deliveries := await subscription.next_batch(1):
            for delivery in deliveries:
                if self._has_cost_a_try(delivery):
                    await subscription.requeue(delivery)
                else:
                    await self._put_back(subscription, delivery)

    async def _reject(self, subscription: Subscription, delivery: Delivery, why: Hopeless) -> None:
        """With the reason, or else by the broker's own reject, which tells none. Raises Unavailable.

        Else: there is no queue for dead letters, or it took nothing the last time either. Some are full and refuse,
        and a hopeless message must not come round for ever.
        """
        headers = {**without_tries(delivery), REJECT_REASON: why.text, FAILURE_CODE: why.code}
        try:
            await self._broker.publish(Queue.DEAD_LETTER, delivery.body, headers)
        except Unroutable:
            await subscription.reject(delivery)
        except Unavailable as error:
            if tries_of(delivery) == 1 and not self._has_cost_a_try(delivery):
                raise _NotRejected(error.text, detail=error.detail) from error
            await subscription.reject(delivery)
        else:
            await subscription.ack([delivery])

    def _tally(self, outcome: str) -> None:
        self._metrics.messages.of(worker=self.name, outcome=outcome).add()


async def _dismiss(worker: asyncio.Task[None], handling: asyncio.Lock) -> None:
    """Once it handles no message. The lock is fair: the worker can't begin another one before this."""
    async with handling:
        worker.cancel()

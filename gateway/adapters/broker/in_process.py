"""Messages within one process: what a real broker promises, for as long as the process lives.

At least once, in order, with prefetch, redelivery and dead letters; bounded, so that a publisher waits for room.
It forgets all at exit: whoever publishes must be able to publish again at the next start (`remembers`).
All of it belongs to one event loop.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count

from attrs import define, field

from gateway.adapters.broker.deaths import headers_after_reject
from gateway.adapters.broker.queues import BoundedQueue, Message, ParkingQueue
from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from gateway.ports.broker import Delivery, Queue, QueueDepth
from gateway.ports.clock import Clock, SystemClock

PARKED = (Queue.DEAD_LETTER, Queue.FOREIGN)


@define(eq=False)
class InProcessBroker:
    """A `Broker`. Close it to wake all who wait."""

    settings: BrokerSettings = field(factory=BrokerSettings)
    clock: Clock = field(factory=SystemClock)
    _queues: dict[Queue, BoundedQueue] = field(init=False)
    _subscriptions: set["_Subscription"] = field(init=False, factory=set)
    _is_closed: bool = field(init=False, default=False)

    @_queues.default
    def _all_queues(self) -> dict[Queue, BoundedQueue]:
        return {
            name: ParkingQueue(name, self.settings.max_parked_messages)
            if name in PARKED
            else BoundedQueue(name, self.settings.max_messages_per_queue)
            for name in Queue
        }

    @property
    def warnings(self) -> Sequence[str]:
        return ()

    @property
    def remembers(self) -> bool:
        return False

    async def publish(self, queue: Queue, body: bytes, headers: Mapping[str, object] | None = None) -> None:
        await asyncio.sleep(0)  # a confirm takes a round trip: nobody may build on publishing without a pause
        self._ensure_open()
        try:
            async with asyncio.timeout(self.settings.publish_timeout_s):
                await self._queues[queue].wait_for_room()
        except TimeoutError:
            raise Unavailable("The message queue is full.", detail=queue.value) from None
        self._queues[queue].add(bytes(body), dict(headers or {}))

    @asynccontextmanager
    async def subscribe(self, queue: Queue, *, prefetch: int) -> AsyncIterator["_Subscription"]:
        self._ensure_open()
        subscription = _Subscription(self._queues[queue], self._dead_letters_of(queue), self.clock, prefetch)
        self._subscriptions.add(subscription)
        subscription.start()
        try:
            yield subscription
        finally:
            subscription.end()
            self._subscriptions.discard(subscription)

    @asynccontextmanager
    async def sweep(self, queue: Queue, *, limit: int) -> AsyncIterator["_Sweep"]:
        self._ensure_open()
        sweep = _Sweep(self._queues[queue], self._queues[queue].take(limit))
        try:
            yield sweep
        finally:
            sweep.end()

    async def depth(self, queue: Queue) -> QueueDepth:
        self._ensure_open()
        return self._queues[queue].depth()

    async def check(self) -> str:
        self._ensure_open()
        ready = sum(queue.depth().messages for queue in self._queues.values())
        return f"in process, {ready} messages ready"

    def close(self) -> None:
        """From now on all is Unavailable, also for those who wait."""
        self._is_closed = True
        for subscription in self._subscriptions:
            subscription.end()
        for queue in self._queues.values():
            queue.close()

    def _dead_letters_of(self, queue: Queue) -> BoundedQueue | None:
        return self._queues[Queue.DEAD_LETTER] if queue is Queue.IMAGE_UPLOAD else None

    def _ensure_open(self) -> None:
        if self._is_closed:
            raise Unavailable("The message broker is closed.")


@define(eq=False)
class _Subscription:
    _queue: BoundedQueue
    _dead_letters: BoundedQueue | None
    _clock: Clock
    _prefetch: int
    _tags: Iterator[int] = field(init=False, factory=lambda: count(1))
    _arrived: deque[Delivery] = field(init=False, factory=deque)
    _unsettled: dict[Delivery, Message] = field(init=False, factory=dict)
    """By the delivery itself: one of another subscription may have the same tag."""
    _news: asyncio.Event = field(init=False, factory=asyncio.Event)
    _is_taking: bool = field(init=False, default=False)
    _is_over: bool = field(init=False, default=False)

    async def next_batch(self, limit: int) -> list[Delivery]:
        await asyncio.sleep(0)  # a consumer with a full queue must not keep the loop for itself
        while not self._arrived:
            if self._is_over:
                raise Unavailable("The subscription has ended.")
            if not self._is_taking:
                return []
            self._news.clear()
            await self._news.wait()
        return [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]

    async def stop_taking(self) -> None:
        if self._is_taking:
            self._is_taking = False
            self._queue.leave(self)
            self._news.set()

    def holds(self, delivery: Delivery) -> bool:
        return delivery in self._unsettled

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        settled = [delivery for delivery in deliveries if self._unsettled.pop(delivery, None) is not None]
        self._queue.settle(len(settled))

    async def reject(self, delivery: Delivery) -> None:
        message = self._unsettled.pop(delivery, None)
        if message is None:
            return
        if self._dead_letters is not None:
            headers = headers_after_reject(message.headers, self._queue.name, self._clock.now())
            self._dead_letters.add(message.body, headers)
        self._queue.settle(1)

    async def requeue(self, delivery: Delivery) -> None:
        message = self._unsettled.pop(delivery, None)
        if message is not None:
            self._queue.give_back([message])

    @property
    def has_capacity(self) -> bool:
        return len(self._unsettled) < self._prefetch

    def receive(self, message: Message) -> None:
        delivery = Delivery(
            self._queue.name, message.body, next(self._tags), message.headers, message.redelivered
        )
        self._unsettled[delivery] = message
        self._arrived.append(delivery)
        self._news.set()

    def start(self) -> None:
        self._is_taking = True
        self._queue.join(self)

    def end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._is_taking:
            self._queue.leave(self)
        self._queue.give_back(self._unsettled.values())
        self._unsettled.clear()
        self._arrived.clear()
        self._news.set()


@define(eq=False)
class _Sweep:
    _queue: BoundedQueue
    _messages: Sequence[Message]
    deliveries: Sequence[Delivery] = field(init=False)
    _unsettled: dict[Delivery, Message] = field(init=False)

    @deliveries.default
    def _all_deliveries(self) -> Sequence[Delivery]:
        return tuple(
            Delivery(self._queue.name, message.body, tag, message.headers, message.redelivered)
            for tag, message in enumerate(self._messages, start=1)
        )

    @_unsettled.default
    def _all_messages(self) -> dict[Delivery, Message]:
        return dict(zip(self.deliveries, self._messages, strict=True))

    async def ack(self, delivery: Delivery) -> None:
        if self._unsettled.pop(delivery, None) is not None:
            self._queue.settle(1)

    def end(self) -> None:
        self._queue.give_back(self._unsettled.values())
        self._unsettled.clear()

"""What one consuming channel has brought and is not settled yet.

A delivery's tag is of its channel: on another one the same number is another message. So a holding lives and dies with
its channel, and knows its deliveries by themselves.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from aiormq.abc import AbstractChannel, DeliveredMessage
from attrs import define, field

from gateway.adapters.broker.rabbitmq.frames import Content, delivery_tag_and_redelivered, headers_in
from gateway.ports.broker import Delivery, Queue


@define(eq=False)
class Holding:
    """The deliveries of one channel. Its methods raise what aiormq raises."""

    _queue: Queue
    _channel: AbstractChannel
    _on_arrival: Callable[[], None]
    _consumer_tag: str | None = field(init=False, default=None)
    _arrived: deque[Delivery] = field(init=False, factory=deque)
    _unsettled: dict[int, Delivery] = field(init=False, factory=dict)
    """By tag; tags only grow, so the oldest come first."""
    _settling: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    """From the choice of tags to their sending: a tag that is settled twice ends the channel."""

    @property
    def is_alive(self) -> bool:
        return not self._channel.is_closed

    @property
    def has_arrivals(self) -> bool:
        return bool(self._arrived)

    async def start(self, queue_name: str, prefetch: int) -> None:
        """From now on the queue's messages come, at most `prefetch` of them unsettled."""
        await self._channel.basic_qos(prefetch_count=prefetch)
        started = await self._channel.basic_consume(queue_name, _not_asked)
        self._consumer_tag = started.consumer_tag

    async def stop(self) -> None:
        """Nothing more comes; what has come may still be settled."""
        consumer_tag, self._consumer_tag = self._consumer_tag, None
        if consumer_tag is not None:
            await self._channel.basic_cancel(consumer_tag)

    def receive(self, content: Content) -> None:
        """What the channel brought."""
        tag, redelivered = delivery_tag_and_redelivered(content.method)
        headers = headers_in(content.header)
        delivery = Delivery(self._queue, content.body, tag, headers, redelivered)
        self._unsettled[tag] = delivery
        self._arrived.append(delivery)
        self._on_arrival()

    def take(self, limit: int) -> list[Delivery]:
        return [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]

    def has(self, delivery: Delivery) -> bool:
        """Whether this very one came by the channel and is not settled yet."""
        return self._unsettled.get(delivery.tag) is delivery

    async def ack(self, deliveries: Iterable[Delivery]) -> None:
        """One frame for all that are the oldest without a gap, one for each of the rest."""
        async with self._settling:
            tags = {delivery.tag for delivery in deliveries if self.has(delivery)}
            oldest = oldest_run(self._unsettled, tags)
            if oldest:
                await self._channel.basic_ack(oldest[-1], multiple=True, wait=False)
                self._forget(oldest)
            for tag in sorted(tags.difference(oldest)):
                await self._channel.basic_ack(tag, wait=False)
                self._forget([tag])

    async def reject(self, delivery: Delivery) -> None:
        await self._give_back(delivery, requeue=False)

    async def requeue(self, delivery: Delivery) -> None:
        await self._give_back(delivery, requeue=True)

    async def give_back_all(self) -> None:
        """Also what aiormq has not handed on yet."""
        async with self._settling:
            self._arrived.clear()
            self._unsettled.clear()
            await self._channel.basic_nack(0, multiple=True, requeue=True, wait=False)

    async def _give_back(self, delivery: Delivery, *, requeue: bool) -> None:
        async with self._settling:
            if self.has(delivery):
                await self._channel.basic_reject(delivery.tag, requeue=requeue, wait=False)
                self._forget([delivery.tag])

    def _forget(self, tags: Iterable[int]) -> None:
        for tag in tags:
            del self._unsettled[tag]


async def _not_asked(_: DeliveredMessage) -> None:
    """aiormq's callback: messages do not come so far."""


def oldest_run(unsettled: Iterable[int], tags: set[int]) -> Sequence[int]:
    """The longest run of `tags` at the beginning of `unsettled`: what one `multiple` can settle."""
    run: list[int] = []
    for tag in unsettled:
        if tag not in tags:
            break
        run.append(tag)
    return run


def delivery_of(queue: Queue, message: DeliveredMessage) -> Delivery:
    """A message of the broker in the port's words."""
    headers = message.header.properties.headers or {}
    return Delivery(queue, message.body, message.delivery_tag or 0, headers, bool(message.redelivered))

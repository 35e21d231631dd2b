"""A look at the messages that lie in a queue: taken one by one on a channel of their own, and given back with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiormq.abc import AbstractChannel
from attrs import define, field

from gateway.adapters.broker.rabbitmq.errors import ConnectionLost, losses_told
from gateway.adapters.broker.rabbitmq.holding import delivery_of
from gateway.adapters.broker.rabbitmq.link import ANSWER_S, Link
from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from gateway.ports.broker import Delivery, Queue


@define(eq=False)
class RabbitSweep:
    """A `Sweep`."""

    _link: Link
    _channel: AbstractChannel
    deliveries: Sequence[Delivery]
    _settled: set[Delivery] = field(init=False, factory=set)

    async def ack(self, delivery: Delivery) -> None:
        """Of a channel that is gone nothing is settled: the message lies there again."""
        if delivery in self._settled or self._channel.is_closed:
            return
        try:
            async with asyncio.timeout(ANSWER_S):
                with losses_told():
                    await self._channel.basic_ack(delivery.tag, wait=False)
                    self._settled.add(delivery)
        except TimeoutError:
            self._link.abort()  # the other side reads no more
        except ConnectionLost:
            pass


@asynccontextmanager
async def sweeping(
    link: Link, settings: BrokerSettings, queue: Queue, limit: int
) -> AsyncIterator[RabbitSweep]:
    """What lies there now, at most `limit` messages and about `sweep_max_bytes`. Raises Unavailable."""
    connection = link.current()
    async with link.asking():
        channel = await connection.channel(publisher_confirms=False)
    try:
        yield RabbitSweep(link, channel, await _get_all(link, channel, settings, queue, limit))
    finally:
        await _give_back(link, channel)


async def _get_all(
    link: Link, channel: AbstractChannel, settings: BrokerSettings, queue: Queue, limit: int
) -> list[Delivery]:
    name = settings.queue_name(queue)
    async with link.asking():
        lying = (await channel.queue_declare(name, passive=True)).message_count or 0
    deliveries: list[Delivery] = []
    size = 0
    while len(deliveries) < min(limit, lying) and size < settings.sweep_max_bytes:
        async with link.asking():
            message = await channel.basic_get(name)
        if message.delivery_tag is None:
            break
        deliveries.append(delivery_of(queue, message))
        size += len(message.body)
    return deliveries


async def _give_back(link: Link, channel: AbstractChannel) -> None:
    """In their order, and at once: they lie there again when this returns."""
    if channel.is_closed:
        return
    try:
        async with link.asking():
            await channel.basic_nack(0, multiple=True, requeue=True, wait=False)
            await channel.close()
    except ConnectionLost:
        pass  # gone, or asked to close when a question was given up: what it held lies there again
    except Unavailable:
        link.abort()  # the other side answers no more

"""Short words for what tests do with a broker."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from gateway.ports.broker import Broker, Delivery, Queue, Subscription
from tests.patience import PATIENCE_S

QUIET_S = 0.1


def settings_for(url: str, **changes: Any) -> BrokerSettings:
    return BrokerSettings(kind="rabbitmq", url=url, **changes)


async def works(broker: Broker) -> bool:
    try:
        await broker.check()
    except Unavailable:
        return False
    return True


async def publish(broker: Broker, queue: Queue, *bodies: str) -> None:
    for body in bodies:
        await broker.publish(queue, body.encode())


async def take(subscription: Subscription, number: int) -> list[Delivery]:
    """So many deliveries, in the order in which they come."""
    taken: list[Delivery] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(taken) < number:
            taken += await subscription.next_batch(number - len(taken))
    return taken


async def is_quiet(subscription: Subscription) -> bool:
    """Whether nothing more comes."""
    try:
        async with asyncio.timeout(QUIET_S):
            await subscription.next_batch(1)
    except TimeoutError:
        return True
    return False


def bodies(deliveries: Any) -> list[str]:
    return [delivery.body.decode() for delivery in deliveries]


async def lying_in(broker: Broker, queue: Queue) -> list[str]:
    async with broker.sweep(queue, limit=100) as sweep:
        return bodies(sweep.deliveries)


async def eventually(holds: Callable[[], Any], *, within_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(0.01)

"""The broker that the settings name. The library of RabbitMQ is loaded by those alone who use it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from gateway.adapters.broker.settings import BrokerSettings
from gateway.ports.broker import Broker, Queue
from gateway.ports.clock import Clock


@asynccontextmanager
async def open_broker(
    settings: BrokerSettings,
    *,
    clock: Clock,
    name: str,
    queues: Sequence[Queue] = tuple(Queue),
    on_reconnect: Callable[[], None] = lambda: None,
) -> AsyncIterator[Broker]:
    """At work until the context ends; one that is away is waited for inside.

    `name` is what the broker shows of us; `queues` are those that this process uses.
    """
    if settings.kind == "rabbitmq":
        from gateway.adapters.broker.rabbitmq import open_rabbitmq

        async with open_rabbitmq(settings, name=name, queues=queues, on_reconnect=on_reconnect) as rabbitmq:
            yield rabbitmq
        return

    from gateway.adapters.broker.in_process import InProcessBroker

    in_process = InProcessBroker(settings, clock)
    try:
        yield in_process
    finally:
        in_process.close()

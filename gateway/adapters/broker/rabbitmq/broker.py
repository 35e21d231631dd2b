"""RabbitMQ as a `Broker`: two connections that are kept, and what is done on them.

Two, because a broker that is short of memory or disk stops to read from those that publish: acks and questions must
not wait behind messages.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Final

from aiohttp import AsyncResolver
from aiohttp.abc import AbstractResolver
from aiormq.exceptions import ChannelNotFoundEntity
from attrs import frozen

from gateway.adapters.broker.rabbitmq.address import address_of
from gateway.adapters.broker.rabbitmq.channels import a_channel
from gateway.adapters.broker.rabbitmq.lenient import read_leniently
from gateway.adapters.broker.rabbitmq.link import Link, is_blocked, supervised
from gateway.adapters.broker.rabbitmq.publisher import Forbidden, Publisher
from gateway.adapters.broker.rabbitmq.subscription import RabbitSubscription
from gateway.adapters.broker.rabbitmq.sweep import RabbitSweep, sweeping
from gateway.adapters.broker.rabbitmq.topology import Topology
from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from gateway.ports.broker import Queue, QueueDepth

_FIRST_CONNECTION_S: Final = 2.0
"""How long an opening waits for the broker: a healthy start warns of nothing."""
_CHECK_S: Final = 1.5
_SILENCE_S: Final = 8.0
_SHORTEST_SILENCE_S: Final = 1.0
_SHARE_OF_PUBLISH_TIMEOUT: Final = 0.8
"""A publisher gives up a dead connection while there is time to try on a new one."""


@frozen(eq=False)
class RabbitBroker:
    """A `Broker`."""

    _settings: BrokerSettings
    _topology: Topology
    _publishing: Link
    _consuming: Link
    _publisher: Publisher

    @property
    def warnings(self) -> Sequence[str]:
        return self._topology.warnings

    @property
    def remembers(self) -> bool:
        return True

    async def publish(self, queue: Queue, body: bytes, headers: Mapping[str, object] | None = None) -> None:
        await self._publisher.publish(queue, body, headers or {})

    def subscribe(self, queue: Queue, *, prefetch: int) -> AbstractAsyncContextManager[RabbitSubscription]:
        subscription = RabbitSubscription(self._consuming, self._topology, self._settings, queue, prefetch)
        return subscription.consuming()

    def sweep(self, queue: Queue, *, limit: int) -> AbstractAsyncContextManager[RabbitSweep]:
        return sweeping(self._consuming, self._settings, queue, limit)

    async def depth(self, queue: Queue) -> QueueDepth:
        connection = self._consuming.current()
        async with self._consuming.asking():
            try:
                async with a_channel(connection) as channel:
                    self._consuming.heard()
                    answer = await channel.queue_declare(self._settings.queue_name(queue), passive=True)
            except ChannelNotFoundEntity:  # somebody has deleted it
                await self._topology.declare(connection, queue)
                return QueueDepth(0, 0)
        self._topology.found(queue)
        return QueueDepth(answer.message_count or 0, answer.consumer_count or 0)

    async def check(self) -> str:
        for link in (self._publishing, self._consuming):
            if link.trouble:
                raise Unavailable(f"There is no connection to the broker at {link.address}: {link.trouble}.")
        address = self._publishing.address
        self._refuse_if_blocked()
        try:
            async with asyncio.timeout(_CHECK_S):
                await self._ask()
                await self._publisher.try_out()
        except (TimeoutError, Unavailable) as error:
            self._refuse_if_blocked()  # which it has said just now
            if isinstance(error, Forbidden):
                raise
            reason = str(error)
            raise Unavailable(f"The broker at {address} does not answer.", detail=reason) from error
        return f"connected to {address}"

    async def _ask(self) -> None:
        connection = self._consuming.current()
        async with self._consuming.asking():
            async with a_channel(connection):
                self._consuming.heard()
            await self._topology.look_again(connection)

    def _refuse_if_blocked(self) -> None:
        if is_blocked(self._publishing.current()):
            address = self._publishing.address
            raise Unavailable(f"The broker at {address} takes no messages: its memory or disk alarm is on.")


def _nothing() -> None:
    """Whoever opens a broker may not care for reconnects."""


@asynccontextmanager
async def open_rabbitmq(
    settings: BrokerSettings,
    *,
    name: str,
    queues: Sequence[Queue] = tuple(Queue),
    on_reconnect: Callable[[], None] = _nothing,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[RabbitBroker]:
    """A broker at once, whether or not RabbitMQ is there: until it is, all is Unavailable.

    `name` is what the broker's operators see; `queues` are declared, and no other. `on_reconnect` is called at each
    connection that is made again. Names are looked up as resolv.conf and /etc/hosts say unless there is a `resolver`,
    which its maker closes.
    """
    # It logs whole bodies, and a traceback at each loss.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    read_leniently()
    topology = Topology(settings, queues)
    async with AsyncExitStack() as stack:
        if resolver is None:
            resolver = AsyncResolver()
            stack.push_async_callback(resolver.close)
        make_link = partial(
            Link,
            address=address_of(settings),
            resolver=resolver,
            settings=settings,
            set_up=topology.declare_all,
            on_reconnect=on_reconnect,
        )
        share_s = max(_SHARE_OF_PUBLISH_TIMEOUT * settings.publish_timeout_s, _SHORTEST_SILENCE_S)
        publishing = make_link(f"{name}-publish", silence_s=min(share_s, _SILENCE_S))
        consuming = make_link(f"{name}-consume", silence_s=_SILENCE_S)
        await stack.enter_async_context(supervised(publishing, consuming))
        await _wait_briefly(publishing, consuming)
        publisher = Publisher(publishing, topology, settings)
        yield RabbitBroker(settings, topology, publishing, consuming, publisher)


async def _wait_briefly(*links: Link) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_CONNECTION_S):
            await asyncio.gather(*(link.connection() for link in links))

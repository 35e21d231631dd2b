"""A stream of deliveries that goes on over lost connections, dead channels and deleted queues.

Each time it consumes anew on a channel of its own. What the earlier channel had brought is forgotten: the broker
delivers it again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import structlog
from aiormq import Connection
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelClosed
from attrs import define, field

from gateway.adapters.broker.rabbitmq.errors import ConnectionLost, losses_told, reason_of
from gateway.adapters.broker.rabbitmq.frames import DELIVER, ContentReader
from gateway.adapters.broker.rabbitmq.holding import Holding
from gateway.adapters.broker.rabbitmq.link import ANSWER_S, CLOSE_S, Link
from gateway.adapters.broker.rabbitmq.topology import Topology
from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from gateway.pacing import pause_after
from gateway.ports.broker import Delivery, Queue

log = structlog.get_logger(__name__)

_START_S: Final = 1.0
"""How long an opening waits for its consumer: a healthy start is whole when it returns."""
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0


@define(eq=False)
class RabbitSubscription:
    """A `Subscription`."""

    _link: Link
    _topology: Topology
    _settings: BrokerSettings
    _queue: Queue
    _prefetch: int
    _holding: Holding | None = field(init=False, default=None)
    _news: asyncio.Event = field(init=False, factory=asyncio.Event)
    _consuming: asyncio.Event = field(init=False, factory=asyncio.Event)
    _is_stopping: bool = field(init=False, default=False)
    _has_stopped: bool = field(init=False, default=False)
    """What has come by then is all."""
    _is_over: bool = field(init=False, default=False)

    async def next_batch(self, limit: int) -> list[Delivery]:
        await asyncio.sleep(0)  # a consumer with a full queue must not keep the loop for itself
        while True:
            holding = self._live_holding()
            if holding is not None and holding.has_arrivals:
                return holding.take(limit)
            if self._has_stopped:
                return []
            if self._is_over:
                raise Unavailable("The subscription has ended.")
            self._news.clear()
            await self._news.wait()

    async def stop_taking(self) -> None:
        self._is_stopping = True
        if (holding := self._live_holding()) is not None:
            with suppress(Unavailable):  # a connection that is silent or lost brings nothing either
                async with self._link.asking():
                    await holding.stop()
        self._has_stopped = True
        self._news.set()

    def holds(self, delivery: Delivery) -> bool:
        holding = self._live_holding()
        return holding is not None and holding.has(delivery)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        await self._settle(lambda holding: holding.ack(deliveries))

    async def reject(self, delivery: Delivery) -> None:
        await self._settle(lambda holding: holding.reject(delivery))

    async def requeue(self, delivery: Delivery) -> None:
        await self._settle(lambda holding: holding.requeue(delivery))

    @asynccontextmanager
    async def consuming(self) -> AsyncIterator["RabbitSubscription"]:
        """It consumes as long as this lasts; then what is unsettled goes back."""
        task = asyncio.create_task(self._keep_consuming(), name=f"consume-{self._queue}")
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_START_S):
                    await self._consuming.wait()
            yield self
        finally:
            task.cancel()
            await asyncio.wait({task}, timeout=2 * CLOSE_S)

    def _live_holding(self) -> Holding | None:
        return self._holding if self._holding is not None and self._holding.is_alive else None

    async def _settle(self, settle: Callable[[Holding], Awaitable[None]]) -> None:
        """Of a channel that is gone, or that goes now, nothing is settled: it comes again."""
        holding = self._live_holding()
        if holding is None:
            return
        try:
            async with asyncio.timeout(ANSWER_S):
                with losses_told():
                    await settle(holding)
        except TimeoutError:
            self._link.abort()  # the other side reads no more
        except Unavailable as error:
            log.info("not settled, will come again", queue=str(self._queue), reason=str(error))

    async def _keep_consuming(self) -> None:
        failures = 0
        try:
            while not self._link.is_over and not self._has_stopped:
                try:
                    await self._consume(await self._link.connection())
                    failures = 0
                except ConnectionLost as error:
                    failures += 1
                    log.info("not consuming", queue=str(self._queue), reason=str(error))
                except Unavailable as error:
                    failures += 1
                    self._topology.not_consumed(self._queue, error.detail)
                except Exception:
                    failures += 1
                    log.exception("not consuming", queue=str(self._queue))
                await asyncio.sleep(pause_after(failures, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S))
        finally:
            self._is_over = True
            self._news.set()

    async def _consume(self, connection: Connection) -> None:
        """Until the channel ends, or the broker ends the consumer because the queue is gone."""
        async with self._link.asking():
            await self._topology.declare(connection, self._queue)
            channel = await connection.channel(publisher_confirms=False)
        cancelled = asyncio.get_running_loop().create_future()
        channel.on_consumer_cancel_callbacks.add(lambda _: cancelled.cancel())
        holding = self._holding = Holding(self._queue, channel, self._news.set)
        self._divert(connection, channel, holding)
        try:
            async with self._link.asking():
                if not self._is_stopping:
                    await holding.start(self._settings.queue_name(self._queue), self._prefetch)
                if self._is_stopping:  # perhaps only since it asked
                    await holding.stop()
            self._topology.consumed(self._queue)
            self._consuming.set()
            closing = channel.closing
            await asyncio.wait({closing, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if refusal := _refusal_of(closing):
                self._topology.not_consumed(self._queue, refusal)
        finally:
            self._holding = None
            await self._release(channel, holding)

    def _divert(self, connection: Connection, channel: AbstractChannel, holding: Holding) -> None:
        """What the channel brings goes to the holding, for as long as there is the channel."""
        transport = self._link.transport_of(connection)
        reader = ContentReader(DELIVER, holding.receive)
        transport.divert(channel.number, reader.take)
        channel.closing.add_done_callback(lambda _: transport.restore(channel.number, reader.take))

    async def _release(self, channel: AbstractChannel, holding: Holding) -> None:
        """So that what is unsettled comes again at once."""
        if channel.is_closed:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                with losses_told():
                    await holding.stop()
                    await holding.give_back_all()
                    await channel.close()
        except TimeoutError:
            self._link.abort()  # the broker then finds that we are gone
        except (AMQPError, ConnectionLost):
            pass  # then it ends by itself


def _refusal_of(closing: asyncio.Future[Any]) -> str:
    """The broker's words, if it has ended this channel and not all of the connection."""
    if not closing.done() or closing.cancelled():
        return ""
    error = closing.exception()
    return reason_of(error) if isinstance(error, ChannelClosed) else ""

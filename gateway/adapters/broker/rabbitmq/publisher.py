"""Messages to the broker, each confirmed: within its deadline over reconnects, nacks and missing queues.

A message may arrive twice, never less than once. While the broker blocks us nothing more is sent: what was sent
arrives when it goes on, and each attempt more would be a message more. So a message of the pipeline waits as long as
that takes, for who is to publish it has nothing better to do, and would do its work again in vain; a copy that is put
aside is Unavailable after its time, for whoever puts it there has other work.
"""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any, Final, cast
from uuid import uuid4

from aiormq import Channel, Connection
from aiormq.exceptions import AMQPError
from attrs import define, field, frozen

from gateway.adapters.broker.rabbitmq.confirming import ConfirmingChannel
from gateway.adapters.broker.rabbitmq.errors import ConnectionLost, Nacked, Returned, reason_of
from gateway.adapters.broker.rabbitmq.headers import carried
from gateway.adapters.broker.rabbitmq.link import Link, is_blocked
from gateway.adapters.broker.rabbitmq.topology import Topology
from gateway.adapters.broker.rabbitmq.transport import Transport
from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from gateway.pacing import pause_after
from gateway.ports.broker import Queue, Unroutable

_MAX_IN_FLIGHT: Final = 500
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_BLOCKED_LOOK_S: Final = 0.1
_NOWHERE: Final = f"no-queue-{uuid4().hex}"
"""No queue is called so: what is sent there comes back, if we may publish at all."""
_ASIDE: Final = (Queue.DEAD_LETTER, Queue.FOREIGN)


class Forbidden(Unavailable):
    """The broker lets us publish nothing."""


@frozen(eq=False)
class _Message:
    """On its way, until its deadline."""

    queue: Queue
    body: bytes
    headers: dict[str, Any]
    deadline: asyncio.Timeout
    timeout_s: float

    def put_off(self) -> None:
        """Its time begins anew, unless it is over."""
        if self.queue not in _ASIDE and not self.deadline.expired():
            self.deadline.reschedule(asyncio.get_running_loop().time() + self.timeout_s)


@define(eq=False)
class Publisher:
    """Publishes on one link."""

    _link: Link
    _topology: Topology
    _settings: BrokerSettings
    _window: asyncio.Semaphore = field(init=False, factory=lambda: asyncio.Semaphore(_MAX_IN_FLIGHT))
    _queue_names: Mapping[Queue, str] = field(init=False)
    _opening: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _channel: ConfirmingChannel | None = field(init=False, default=None)
    _trouble: str = field(init=False, default="")
    _tried_out: Connection | None = field(init=False, default=None)

    @_queue_names.default
    def _as_the_settings_say(self) -> Mapping[Queue, str]:
        return {queue: self._settings.queue_name(queue) for queue in Queue}

    async def publish(self, queue: Queue, body: bytes, headers: Mapping[str, object]) -> None:
        """Returns once the broker has confirmed it. Raises Unroutable or Unavailable."""
        timeout_s = self._settings.publish_timeout_s
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                message = _Message(queue, body, carried(headers), deadline, timeout_s)
                with self._link.while_blocked(message.put_off):
                    async with self._window:
                        await self._publish_until_confirmed(message)
        except TimeoutError as error:
            raise self._why_not() from error

    async def try_out(self) -> None:
        """Whether we may publish, asked once on each connection. Raises Forbidden, Unavailable; has no deadline."""
        connection = self._link.current()
        if connection is self._tried_out:
            return
        try:
            channel = await self._open_channel(connection)
            with self._link.question():
                await channel.publish(_NOWHERE, b"", {})
        except Returned:
            self._tried_out = connection
        except ConnectionLost as error:
            if "ACCESS_REFUSED" not in error.detail:
                raise
            raise Forbidden(f"The broker lets us publish nothing ({error.detail}).") from error

    async def _publish_until_confirmed(self, message: _Message) -> None:
        for attempt in count(1):
            try:
                await self._publish_or_declare(message)
            except (AMQPError, ConnectionLost, Nacked) as error:
                if self._link.is_over:
                    raise Unavailable("The message broker is closed.") from error
                self._trouble = reason_of(error)
                await asyncio.sleep(pause_after(attempt, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S))
            else:
                self._trouble = ""
                self._topology.found(message.queue)
                return

    async def _publish_or_declare(self, message: _Message) -> None:
        """A queue that somebody has deleted is made again."""
        try:
            await self._publish_once(message)
        except Returned:
            with self._link.question():
                await self._topology.declare(await self._unblocked_connection(), message.queue)
            try:
                await self._publish_once(message)
            except Returned as error:
                raise Unroutable("The message broker has no such queue.", detail=str(error)) from error

    async def _publish_once(self, message: _Message) -> None:
        channel = self._ready_channel() or await self._open_channel(await self._unblocked_connection())
        with self._link.waiting():
            await channel.publish(self._queue_names[message.queue], message.body, message.headers)

    def _ready_channel(self) -> ConfirmingChannel | None:
        """The one that is open, if nothing stands against sending on it now: nearly always."""
        connection = self._link.standing
        if connection is None or is_blocked(connection):
            return None
        return self._channel_on(self._link.transport_of(connection))

    async def _unblocked_connection(self) -> Connection:
        while is_blocked(connection := await self._link.connection()):  # noqa: ASYNC110 no event tells
            await asyncio.sleep(_BLOCKED_LOOK_S)
        return connection

    async def _open_channel(self, connection: Connection) -> ConfirmingChannel:
        transport = self._link.transport_of(connection)
        if (channel := self._channel_on(transport)) is not None:
            return channel
        async with self._opening:
            channel = self._channel_on(transport)
            if channel is None:
                with self._link.question():
                    opened = cast(Channel, await connection.channel())
                channel = self._channel = ConfirmingChannel(opened, transport)
            return channel

    def _channel_on(self, transport: Transport) -> ConfirmingChannel | None:
        channel = self._channel
        return channel if channel is not None and channel.is_alive and channel.is_of(transport) else None

    def _why_not(self) -> Unavailable:
        """What kept a message from being confirmed in time."""
        if self._link.trouble:
            return Unavailable("The message broker can't be reached.", detail=self._link.trouble)
        if is_blocked(self._link.current()):
            return Unavailable("The message broker is blocked by its memory or disk alarm.")
        return Unavailable("The message broker did not confirm a message in time.", detail=self._trouble)

"""The queues, as gateway, analyzer and processor agree on them; each declares them at its start.

With any difference the one that comes second is refused, and an existing service then exits. So they are declared
exactly so, on a channel of their own, for a refusal ends its channel; where one stands otherwise, we take what is
there and say so. One that is out of order, say on a node that is away, keeps none of the others from use.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog
from aiormq import Connection
from aiormq.exceptions import ChannelClosed, ChannelNotFoundEntity
from attrs import define, field

from gateway.adapters.broker.rabbitmq.channels import a_channel
from gateway.adapters.broker.rabbitmq.errors import REFUSALS
from gateway.adapters.broker.settings import BrokerSettings
from gateway.ports.broker import Queue

log = structlog.get_logger(__name__)

_DEFAULT_EXCHANGE: Final = ""
_ANSWER_S: Final = 3.0
"""How long the others wait for a queue that is out of order: RabbitMQ itself would for a minute."""
_LOOK_AGAIN_S: Final = 30.0
"""Between two looks at what stood otherwise: each refusal is a line of the broker's log."""
_SHARE_OF_CONNECT_TIMEOUT: Final = 0.5
"""Nor may one keep the connection from being made in its time."""


@define(eq=False)
class Topology:
    """Declares the queues of a process. Its methods raise what aiormq raises."""

    _settings: BrokerSettings
    _queues: Sequence[Queue] = tuple(Queue)
    _warnings: dict[Queue, str] = field(init=False, factory=dict)
    _out_of_order: dict[Queue, str] = field(init=False, factory=dict)
    _unconsumed: dict[Queue, str] = field(init=False, factory=dict)
    _look_again_at: float = field(init=False, default=float("-inf"))

    @property
    def warnings(self) -> Sequence[str]:
        """One line for each queue that stands otherwise, is out of order, or gives us nothing."""
        told = {**self._warnings, **self._unconsumed, **self._out_of_order}
        return [told[queue] for queue in Queue if queue in told]

    async def declare_all(self, connection: Connection) -> None:
        """Raises TimeoutError when the broker says nothing of any."""
        answers = await asyncio.gather(*(self._try_to_declare(connection, queue) for queue in self._queues))
        if answers and not any(answers):
            raise TimeoutError

    async def look_again(self, connection: Connection) -> None:
        """Whether queues that stood otherwise still do, asked now and then: an operator may have mended them."""
        now = asyncio.get_running_loop().time()
        if self._warnings and now >= self._look_again_at:
            self._look_again_at = now + _LOOK_AGAIN_S
            for queue in list(self._warnings):
                await self.declare(connection, queue)

    def found(self, queue: Queue) -> None:
        """It is there, and answers."""
        self._out_of_order.pop(queue, None)

    def not_consumed(self, queue: Queue, reason: str) -> None:
        """The broker does not let us, say for want of a right."""
        name = self._settings.queue_name(queue)
        line = f"nothing comes from the queue {name}: {reason}"
        if self._unconsumed.get(queue) != line:
            log.warning("not consuming", queue=name, reason=reason)
        self._unconsumed[queue] = line

    def consumed(self, queue: Queue) -> None:
        """Now we do."""
        self._unconsumed.pop(queue, None)

    async def _try_to_declare(self, connection: Connection, queue: Queue) -> bool:
        """Whether there was any answer."""
        try:
            async with asyncio.timeout(
                min(_ANSWER_S, _SHARE_OF_CONNECT_TIMEOUT * self._settings.connect_timeout_s)
            ):
                await self.declare(connection, queue)
        except TimeoutError:
            self._warn_of_disorder(queue, "no answer in time")
            return False
        except ChannelNotFoundEntity as error:
            self._warn_of_disorder(queue, _text(error))
        return True

    async def declare(self, connection: Connection, queue: Queue) -> None:
        """It has no deadline of its own."""
        name = self._settings.queue_name(queue)
        try:
            async with a_channel(connection) as channel:
                await channel.queue_declare(name, durable=True, arguments=self.arguments(queue))
        except REFUSALS as refusal:
            await self._take_what_is_there(connection, queue, _text(refusal))
        else:
            self._warnings.pop(queue, None)
            self.found(queue)

    def arguments(self, queue: Queue) -> dict[str, Any]:
        """Only uploads have an address for what is rejected."""
        if queue is not Queue.IMAGE_UPLOAD:
            return {}
        return {
            "x-dead-letter-exchange": _DEFAULT_EXCHANGE,
            "x-dead-letter-routing-key": self._settings.queue_name(Queue.DEAD_LETTER),
        }

    async def _take_what_is_there(self, connection: Connection, queue: Queue, refusal: str) -> None:
        name = self._settings.queue_name(queue)
        try:
            async with a_channel(connection) as channel:
                await channel.queue_declare(name, passive=True)
        except ChannelClosed as error:
            self._warn_of_disorder(queue, _text(error))
        else:
            line = f"the queue {name} stands otherwise than we declare it: {refusal}"
            self._warn(self._warnings, queue, line)
            self.found(queue)

    def _warn_of_disorder(self, queue: Queue, reason: str) -> None:
        line = f"the queue {self._settings.queue_name(queue)} can't be used: {reason}"
        self._warn(self._out_of_order, queue, line)

    def _warn(self, warnings: dict[Queue, str], queue: Queue, line: str) -> None:
        if warnings.get(queue) != line:
            log.warning("queue not as declared", queue=self._settings.queue_name(queue), reason=line)
        warnings[queue] = line


def _text(error: ChannelClosed) -> str:
    """The broker's own words."""
    return " ".join(" ".join(str(word) for word in error.args if word is not None).split())

"""The queues, as gateway, analyzer and processor agree on them; each declares them at its start.

With any difference the one that comes second is refused, and an existing service then exits. So they are declared
exactly so, on a channel of their own, for a refusal ends its channel; where one stands otherwise, we take what is
there and say so.
"""

from collections.abc import Sequence
from typing import Any, Final

import structlog
from aiormq import Connection
from aiormq.exceptions import ChannelClosed
from attrs import define, field

from gateway.adapters.broker.rabbitmq.channels import a_channel
from gateway.adapters.broker.rabbitmq.errors import REFUSALS
from gateway.adapters.broker.settings import BrokerSettings
from gateway.ports.broker import Queue

log = structlog.get_logger(__name__)

_DEFAULT_EXCHANGE: Final = ""


@define(eq=False)
class Topology:
    """Declares the queues of a process. Its methods have no deadline of their own, and raise what aiormq raises."""

    _settings: BrokerSettings
    _queues: Sequence[Queue] = tuple(Queue)
    _warnings: dict[Queue, str] = field(init=False, factory=dict)

    @property
    def warnings(self) -> Sequence[str]:
        """One line for each queue that stands otherwise."""
        return [self._warnings[queue] for queue in Queue if queue in self._warnings]

    async def declare_all(self, connection: Connection) -> None:
        for queue in self._queues:
            await self.declare(connection, queue)

    async def declare(self, connection: Connection, queue: Queue) -> None:
        name = self._settings.queue_name(queue)
        try:
            async with a_channel(connection) as channel:
                await channel.queue_declare(name, durable=True, arguments=self.arguments(queue))
        except REFUSALS as refusal:
            await self._take_what_is_there(connection, queue, _text(refusal))
        else:
            self._warnings.pop(queue, None)

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
            self._warn(queue, f"the queue {name} can't be used: {_text(error)}")
        else:
            self._warn(queue, f"the queue {name} stands otherwise than we declare it: {refusal}")

    def _warn(self, queue: Queue, line: str) -> None:
        if self._warnings.get(queue) != line:
            log.warning("queue not as declared", queue=self._settings.queue_name(queue), reason=line)
        self._warnings[queue] = line


def _text(error: ChannelClosed) -> str:
    """The broker's own words."""
    return " ".join(" ".join(str(word) for word in error.args if word is not None).split())

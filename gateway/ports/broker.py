"""Messages by queue, at least once: shaped for AMQP 0-9-1 with publisher confirms, and for one process alike.

A delivery that was neither acked, rejected nor requeued when its subscription ends is delivered again.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

from attrs import field, frozen

from gateway.errors import GatewayError


class Queue(StrEnum):
    """What a queue is for; the adapter knows its name. Only IMAGE_UPLOAD has a dead letter address."""

    IMAGE_UPLOAD = "image_upload"
    METADATA_GENERATED = "metadata_generated"
    IMAGE_PROCESSED = "image_processed"
    DEAD_LETTER = "dead_letter_queue"
    FOREIGN = "image_processed.foreign"


@frozen(eq=False)
class Delivery:
    """One message in hand. `tag` names it within its subscription; `headers` are AMQP's."""

    queue: Queue
    body: bytes
    tag: int
    headers: Mapping[str, object] = field(factory=dict)
    redelivered: bool = False


@frozen
class QueueDepth:
    """Messages ready in a queue, and its consumers."""

    messages: int
    consumers: int


class Unroutable(GatewayError):
    """The broker has no such queue; the message was not taken."""

    default_code = "unroutable"


class Subscription(Protocol):
    """A stream of deliveries; at most `prefetch` are unsettled at once."""

    async def next_batch(self, limit: int) -> list[Delivery]:
        """Wait for at least one delivery; give all that have arrived, at most `limit`, in order.

        An empty list once `stop_taking` was called and all that had come was given out. Raises Unavailable when the
        subscription is lost for good; a lost connection is mended inside.
        """

    async def stop_taking(self) -> None:
        """From now on the queue brings nothing more; what it has brought may still be given out and settled."""

    def holds(self, delivery: Delivery) -> bool:
        """Whether it is in hand: not once it was settled, nor once its connection is gone, for then it comes again."""

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Done with. Of a connection that is gone: nothing happens, they come again."""

    async def reject(self, delivery: Delivery) -> None:
        """To the dead letters, where the queue has an address for them; else it is destroyed."""

    async def requeue(self, delivery: Delivery) -> None:
        """Give it back, to be delivered again."""


class Sweep(Protocol):
    """Messages looked at; those not acked are given back in order when the sweep ends."""

    deliveries: Sequence[Delivery]

    async def ack(self, delivery: Delivery) -> None:
        """Done with."""


class Broker(Protocol):
    @property
    def warnings(self) -> Sequence[str]:
        """What an operator should know of now, though messages go through: a line each, for readyz."""

    @property
    def remembers(self) -> bool:
        """Whether messages outlive this process. If not, every open attempt is published again at a start."""

    async def publish(self, queue: Queue, body: bytes, headers: Mapping[str, object] | None = None) -> None:
        """Returns once the broker has confirmed the message.

        Raises Unroutable, and Unavailable when no confirm came in time: the broker may have it nevertheless. A broker
        that takes nothing for want of memory or disk is waited for, but with what goes to DEAD_LETTER or FOREIGN.
        """

    def subscribe(self, queue: Queue, *, prefetch: int) -> AbstractAsyncContextManager[Subscription]:
        """Consume the queue until the context ends; what is unsettled then is delivered again."""

    def sweep(self, queue: Queue, *, limit: int) -> AbstractAsyncContextManager[Sweep]:
        """Look at the messages that lie in the queue now, at most `limit`, oldest first. Raises Unavailable."""

    async def depth(self, queue: Queue) -> QueueDepth:
        """What lies ready there. Raises Unavailable."""

    async def check(self) -> str:
        """Ask the broker whether it works: a line for readyz. Raises Unavailable."""

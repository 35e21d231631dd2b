"""An onlooker at the broker: a plain AMQP client that publishes as it is told and sees every byte and property.

    async with wire(node.url_for(vhost)) as line:
        await line.declare_as_the_services_do()
        await line.publish("image_upload", body, content_type="application/json")
        seen = await line.take("metadata_generated")

It never consumes, so nobody takes it for one more consumer. Who wants to be one, says so:

    async with consumer(node.url_for(vhost), "image_processed") as taken: ...
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiormq
from aiormq import spec
from aiormq.abc import AbstractConnection, DeliveredMessage
from attrs import define, field, frozen

from tests.golden import golden
from tests.patience import PATIENCE_S

PROPERTIES = (
    "content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to",
    "expiration", "message_id", "timestamp", "message_type", "user_id", "app_id",
)  # fmt: skip


@frozen
class Seen:
    """A message as it lay in its queue, with the properties that were set."""

    body: bytes
    properties: Mapping[str, Any]

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.body)
        return fields


@define(eq=False)
class Wire:
    """Each call has a channel of its own: a refusal closes no other's."""

    _connection: AbstractConnection
    _channels: list[Any] = field(factory=list)

    async def declare(
        self, queue: str, arguments: Mapping[str, Any] | None = None, *, passive: bool = False
    ) -> None:
        """Durable. Raises aiormq's ChannelPreconditionFailed where it stands with others."""
        channel = await self._connection.channel()
        await channel.queue_declare(queue, durable=True, passive=passive, arguments=dict(arguments or {}))
        await channel.close()

    async def declare_as_the_services_do(self) -> None:
        """As golden/queues.json has it."""
        for queue in golden("queues")[0]["queues"]:
            await self.declare(queue["name"], queue["arguments"])

    async def publish(self, queue: str, body: bytes, **properties: Any) -> None:
        """Returns when the broker has it."""
        channel = await self._connection.channel()
        await channel.basic_publish(
            body, routing_key=queue, mandatory=True, properties=spec.Basic.Properties(**properties)
        )
        await channel.close()

    async def take(self, queue: str, *, within_s: float = PATIENCE_S) -> Seen:
        """The oldest message of the queue, once there is one; it is gone from there."""
        async for _ in patiently(f"a message in {queue}", within_s=within_s):
            if (seen := await self.take_if_any(queue)) is not None:
                return seen
        raise AssertionError

    async def take_if_any(self, queue: str) -> Seen | None:
        message = await (await self._channel()).basic_get(queue, no_ack=True)
        return None if isinstance(message.delivery, spec.Basic.GetEmpty) else _seen(message)

    async def reject(self, queue: str) -> None:
        """The oldest message of the queue, once there is one, as the analyzer does it: it may die of that."""
        channel = await self._channel()
        async for _ in patiently(f"a message in {queue}"):
            message = await channel.basic_get(queue)
            if not isinstance(message.delivery, spec.Basic.GetEmpty):
                await channel.basic_reject(message.delivery_tag, requeue=False)
                return

    async def depth(self, queue: str) -> tuple[int, int]:
        """Messages that lie ready, and consumers."""
        answer = await (await self._channel()).queue_declare(queue, passive=True)
        return answer.message_count or 0, answer.consumer_count or 0

    async def holds(self, queue: str, messages: int) -> None:
        """Returns once so many lie there ready."""
        async for _ in patiently(f"{messages} messages in {queue}"):
            if (await self.depth(queue))[0] == messages:
                return

    async def has_consumers(self, queue: str, consumers: int) -> None:
        """Returns once so many take from there."""
        async for _ in patiently(f"{consumers} consumers of {queue}"):
            if (await self.depth(queue))[1] == consumers:
                return

    async def empty(self, *queues: str) -> None:
        for queue in queues:
            await (await self._channel()).queue_purge(queue)

    async def _channel(self) -> Any:
        """One for questions, a new one when a refusal has closed it."""
        if not self._channels or self._channels[-1].is_closed:
            self._channels.append(await self._connection.channel())
        return self._channels[-1]


async def patiently(wish: str, *, within_s: float = PATIENCE_S) -> AsyncIterator[None]:
    """Looks, a little apart, and fails after that time. No question is cut: that would close its channel."""
    clock = asyncio.get_running_loop()
    give_up_at = clock.time() + within_s
    while clock.time() < give_up_at:
        yield
        await asyncio.sleep(0.02)
    raise AssertionError(f"never seen: {wish}")


def replaced(message: Mapping[str, Any], **changes: str) -> bytes:
    """The body of a golden message with other values of some fields, else byte for byte as it was."""
    body: str = message["body"]
    fields = json.loads(body)
    for name, text in changes.items():
        body = body.replace(
            json.dumps(fields[name], ensure_ascii=False), json.dumps(text, ensure_ascii=False)
        )
    return body.encode()


def _seen(message: DeliveredMessage) -> Seen:
    values = {name: getattr(message.header.properties, name) for name in PROPERTIES}
    return Seen(message.body, {name: value for name, value in values.items() if value not in (None, "", {})})


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    connection = await aiormq.connect(url)
    try:
        yield Wire(connection)
    finally:
        await connection.close()


@asynccontextmanager
async def consumer(url: str, queue: str) -> AsyncIterator[list[bytes]]:
    """As an old gateway: takes what it gets, and acks it."""
    taken: list[bytes] = []

    async def take(message: DeliveredMessage) -> None:
        taken.append(message.body)
        assert message.delivery_tag is not None
        await message.channel.basic_ack(message.delivery_tag)

    connection = await aiormq.connect(url)
    try:
        channel = await connection.channel()
        await channel.basic_qos(prefetch_count=1)
        await channel.basic_consume(queue, take)
        yield taken
    finally:
        await connection.close()

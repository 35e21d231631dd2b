"""Single messages at RabbitMQ: what is sent of them, and what may come of others."""

import math
import struct

import pytest
from aiormq import spec

from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.ports.broker import Queue
from tests.deliveries import bodies, lying_in, publish, settings_for, take
from tests.integration.test_rabbitmq_queues import another_service


async def test_headers_that_amqp_can_not_carry_are_left_out(rabbitmq_url: str) -> None:
    headers = {
        "kept": "yes",
        "object": object(),
        "k" * 300: "long key",
        "huge": "x" * 200_000,
        "no number": math.inf,
    }
    async with open_rabbitmq(settings_for(rabbitmq_url), name="headers") as broker:
        await broker.publish(Queue.IMAGE_UPLOAD, b"{}", headers)
        async with broker.sweep(Queue.IMAGE_UPLOAD, limit=1) as sweep:
            assert sweep.deliveries[0].headers == {"kept": "yes"}


@pytest.mark.parametrize("name", ["CC", "BCC"])
@pytest.mark.parametrize("value", [["image_processed"], "no list"], ids=str)
async def test_headers_of_a_message_that_is_handed_on_send_it_nowhere_else(
    rabbitmq_url: str, name: str, value: object
) -> None:
    async with open_rabbitmq(settings_for(rabbitmq_url, publish_timeout_s=2), name="parking") as broker:
        await broker.publish(Queue.FOREIGN, b"parked", {name: value})
        assert await lying_in(broker, Queue.FOREIGN) == ["parked"]
        assert await lying_in(broker, Queue.IMAGE_PROCESSED) == []


async def test_what_is_published_is_persistent_json(rabbitmq_url: str) -> None:
    async with (
        open_rabbitmq(settings_for(rabbitmq_url), name="properties") as broker,
        another_service(rabbitmq_url) as channel,
    ):
        await broker.publish(Queue.IMAGE_UPLOAD, b"{}")
        properties = (await channel.basic_get("image_upload")).header.properties
        assert (properties.delivery_mode, properties.content_type) == (2, "application/json")


class RawProperties(spec.Basic.Properties):
    """As they stand on the wire: flags that tell which there are, then those."""

    def __init__(self, flag: int, value: bytes) -> None:
        super().__init__()
        self.raw = struct.pack(">H", flag) + value

    def marshal(self) -> bytes:
        return self.raw


def table(fields: bytes) -> bytes:
    return struct.pack(">I", len(fields)) + fields


def nested(depth: int) -> bytes:
    fields = b""
    for _ in range(depth):
        fields = b"\x01aF" + table(fields)
    return table(fields)


UNREADABLE = {
    "an application in no UTF-8": RawProperties(0x0008, b"\x03\xff\xfe\xfd"),
    "a moment in nanoseconds": RawProperties(0x0040, struct.pack(">Q", 1_700_000_000_000_000_000)),
    "a header named in no UTF-8": RawProperties(0x2000, table(b"\x02\xff\xfet\x01")),
    "a header with a moment in nanoseconds": RawProperties(0x2000, table(b"\x01aT" + b"\x17" + bytes(7))),
    "headers in headers": RawProperties(0x2000, nested(5000)),
}


@pytest.mark.parametrize("what", UNREADABLE)
async def test_a_message_whose_properties_can_not_be_read_stops_nobody(rabbitmq_url: str, what: str) -> None:
    reconnects: list[None] = []
    async with (
        another_service(rabbitmq_url) as channel,
        open_rabbitmq(
            settings_for(rabbitmq_url), name="lenient", on_reconnect=lambda: reconnects.append(None)
        ) as broker,
    ):
        await channel.basic_publish(b"odd", routing_key="image_processed", properties=UNREADABLE[what])
        await publish(broker, Queue.IMAGE_PROCESSED, "next")
        assert await lying_in(broker, Queue.IMAGE_PROCESSED) == ["odd", "next"]
        async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=2) as subscription:
            assert bodies(await take(subscription, 2)) == ["odd", "next"]
    assert not reconnects

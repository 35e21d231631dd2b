"""What the running analyzer and processor have in common, as stand-ins: written from the contract and the golden
messages alone, importing nothing of the gateway, and as careless as they are.

Messages that they publish are transient, unconfirmed, with a content type and nothing else. A queue that stands with
other arguments (406), a bucket that somebody else makes at the same time, a broker that goes away: each ends the
process, and who runs it starts it again. They read their settings from the environment alone.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar

import aiormq
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import web
from aiormq import spec
from aiormq.abc import AbstractChannel, DeliveredMessage, FieldTable
from attrs import define, field, frozen
from botocore.exceptions import ClientError

TO_DEAD_LETTERS: FieldTable = {
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": "dead_letter_queue",
}
NOT_FOUND = ("404", "NoSuchKey", "NoSuchBucket")
_ESCAPED_BY_GO = "&<>\u2028\u2029"

Value = TypeVar("Value")


class Rejected(Exception):
    """The message can't be done: nack, without requeue."""


class Requeued(Exception):
    """The message can't be read: nack, with requeue."""


class BareProperties(spec.Basic.Properties):
    """Of a message without message_id, which aiormq gives to each that has none."""

    @property
    def message_id(self) -> None:
        return None

    @message_id.setter
    def message_id(self, value: object) -> None:
        pass


@frozen
class DeclaredQueue:
    """As the service declares it at its start; durable."""

    name: str
    arguments: FieldTable = field(factory=dict)


class Work(Protocol):
    """What one service does."""

    async def __call__(self, body: bytes) -> bytes:
        """The answer's body. Raises Rejected, Requeued."""


@define(eq=False)
class Service:
    """One running service: its workers take from `consumes`, and publish to `publishes`."""

    queues: Sequence[DeclaredQueue]
    consumes: str
    publishes: str
    work: Work
    _in_hand: set[int] = field(factory=set)

    async def run(self, port: int) -> None:
        """Until SIGTERM, or until the broker has gone."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        connection = await aiormq.connect(os.environ["RABBITMQ_URL"])
        channel = await connection.channel(publisher_confirms=False)
        for queue in self.queues:
            await channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)
        await channel.basic_qos(prefetch_count=int(os.environ.get("RABBITMQ_PREFETCH_COUNT", "1")))
        for _ in range(int(os.environ.get("WORKER_CONCURRENCY", "3"))):
            await channel.basic_consume(self.consumes, self._on_message)
        health = await _health(port)
        lost = asyncio.ensure_future(asyncio.wait([connection.closing, channel.closing]))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait([lost, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            # Not one by one: what hangs on a dead connection would hang the end as well.
            print("the broker has gone", flush=True)
            os._exit(1)
        for tag in sorted(self._in_hand):
            await channel.basic_nack(tag, requeue=False)
        await connection.close()
        await health.cleanup()

    async def _on_message(self, message: DeliveredMessage) -> None:
        channel, tag = message.channel, message.delivery_tag
        assert tag is not None
        self._in_hand.add(tag)
        try:
            await self._answer(channel, message.body)
        except Rejected as error:
            print(f"rejected: {error}", flush=True)
            await channel.basic_nack(tag, requeue=False)
        except Requeued as error:
            print(f"given back: {error}", flush=True)
            await asyncio.sleep(0.1)  # the real one spins, which would slow down every test beside it
            await channel.basic_nack(tag, requeue=True)
        else:
            await channel.basic_ack(tag)
        finally:
            self._in_hand.discard(tag)

    async def _answer(self, channel: AbstractChannel, body: bytes) -> None:
        answer = await self.work(body)
        properties = BareProperties(content_type="application/json")
        await channel.basic_publish(answer, routing_key=self.publishes, properties=properties)


async def _health(port: int) -> web.AppRunner:
    """Who asks, hears that all is well."""

    async def fine(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    application = web.Application()
    application.add_routes([web.get("/health", fine)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def object_storage() -> AbstractAsyncContextManager[Any]:
    """A plain client."""
    scheme = "https" if os.environ.get("MINIO_USE_SSL", "false").lower() == "true" else "http"
    client: AbstractAsyncContextManager[Any] = get_session().create_client(
        "s3",
        endpoint_url=f"{scheme}://{os.environ['MINIO_ENDPOINT']}",
        region_name="us-east-1",
        aws_access_key_id=os.environ["MINIO_ACCESS_KEY"],
        aws_secret_access_key=os.environ["MINIO_SECRET_KEY"],
        config=AioConfig(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    return client


async def make_buckets(storage: Any, *names: str) -> None:
    """Look, then make; whoever was faster in between ends us."""
    for name in names:
        try:
            await storage.head_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in NOT_FOUND:
                raise
            await storage.create_bucket(Bucket=name)


async def read_object(storage: Any, bucket: str, key: str) -> bytes:
    """Raises ClientError."""
    answer = await storage.get_object(Bucket=bucket, Key=key)
    async with answer["Body"] as body:
        content: bytes = await body.read()
    return content


def original_bucket() -> str:
    return os.environ.get("MINIO_ORIGINAL_BUCKET", "original")


def processed_bucket() -> str:
    return os.environ.get("MINIO_PROCESSED_BUCKET", "processed")


def read_fields(body: bytes, fields: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """The known fields of a message, each as its reader takes it; missing ones and null as its reader has it empty.

    Raises ValueError.
    """
    message = json.loads(body.decode(), parse_constant=_no_number)
    if message is not None and not isinstance(message, dict):
        raise ValueError("not an object")
    return {name: read((message or {}).get(name)) for name, read in fields.items()}


def text(value: Any) -> str:
    return _typed(value, str, "")


def whole_number(value: Any) -> int:
    return _typed(value, int, 0)


def moment(value: Any) -> str:
    """A timestamp in RFC 3339 with a zone; its value is of no use to anybody."""
    stamp = _typed(value, str, "0001-01-01T00:00:00Z")
    if stamp[10:11] != "T" or datetime.fromisoformat(stamp).tzinfo is None:
        raise ValueError("not RFC 3339 with a zone")
    return stamp


def texts(value: Any) -> list[str] | None:
    return None if value is None else [text(member) for member in _typed(value, list, [])]


def _typed(value: Any, wanted: type[Value], empty: Value) -> Value:
    if value is None:
        return empty
    if type(value) is not wanted:
        raise ValueError(f"not of type {wanted.__name__}")
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def written(message: Mapping[str, Any]) -> bytes:
    """As Go's encoding/json writes it."""
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    for character in _ESCAPED_BY_GO:
        body = body.replace(character, f"\\u{ord(character):04x}")
    return body.encode()


def now() -> str:
    """As Go's time.RFC3339Nano: the zone of the machine, nanoseconds without zeros at their end."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    local = datetime.fromtimestamp(seconds).astimezone()
    fraction = f".{nanoseconds:09}".rstrip("0").rstrip(".")
    zone = local.strftime("%z")
    return f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{'Z' if zone == '+0000' else f'{zone[:3]}:{zone[3:]}'}"


def main(serve: Callable[[], Any]) -> None:
    """Run the service; what goes wrong at its start ends it with 1."""
    try:
        asyncio.run(serve())
    except (OSError, ClientError, aiormq.exceptions.AMQPError) as error:
        sys.exit(f"can not start: {error}")

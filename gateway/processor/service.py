"""The processor: takes words from `metadata_generated`, writes them into a copy of the original, tells the gateway.

It never rejects: what it can't do it answers as `failed`. A tagged image lies in the bucket of processed ones under
`<trace_id>/<safe file name>`, with a trace_id that is the attempt's own, so that no two attempts write one object.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import structlog
from attrs import define, evolve

from gateway.consuming import GIVEN_UP, Workers, tries_of
from gateway.errors import BadInput, ContentError, GatewayError, TooLarge
from gateway.failure_codes import TAGGING_CODES, TAGGING_FAILED
from gateway.images.signatures import ImageType, image_type
from gateway.messages import (
    FAILURE_CODE,
    METADATA_POLICY,
    METADATA_WRITER,
    TRIES,
    ImageProcessed,
    Malformed,
    MetadataGenerated,
    decode,
    decode_policy,
    encode,
)
from gateway.metadata import MetadataPolicy
from gateway.ports.broker import Broker, Delivery, Queue
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound, ObjectStore, read_whole
from gateway.processes import HelperDied, HelperProcesses, HelperTimeout
from gateway.processor.settings import ProcessorSettings
from gateway.processor.tags import write_tags
from gateway.processor.words.policy import AUTO, combined
from gateway.telemetry.metrics import WorkerMetrics

log = structlog.get_logger(__name__)

_MAX_GROWTH_BYTES: Final = 16 * 1024 * 1024
"""Tags grow an image a little."""
_PIECE: Final = 256 * 1024

Headers = Mapping[str, object]
Answer = tuple[ImageProcessed, Headers | None]
Process = Callable[[MetadataGenerated, Headers], Awaitable[Answer]]


@define(eq=False)
class Processor:
    """One message at a time, in a helper process."""

    _broker: Broker
    _objects: ObjectStore
    _helpers: HelperProcesses
    _settings: ProcessorSettings
    _max_bytes: int

    def workers(self, metrics: WorkerMetrics, count: int) -> Workers:
        """The service that feeds this processor `count` images at once."""
        return Workers(
            "processor",
            self._broker,
            Queue.METADATA_GENERATED,
            self.handle,
            metrics,
            count,
            self._settings.prefetch,
            self._settings.max_tries,
            self.give_up,
        )

    async def handle(self, delivery: Delivery) -> None:
        """Tag the image of one message. Raises Unavailable when store or broker is down."""
        await self._answer(delivery, self._process)

    async def give_up(self, delivery: Delivery) -> None:
        """Answer that it failed: whoever began it came to no end. Raises Unavailable when the broker is down."""
        await self._answer(delivery, _given_up)

    async def _answer(self, delivery: Delivery, process: Process) -> None:
        try:
            message = decode(MetadataGenerated, delivery.body)
        except Malformed as error:
            # The queue has no dead letter address, and giving it back would go on for ever.
            log.warning("malformed message", reason=str(error))
            await self._broker.publish(Queue.DEAD_LETTER, delivery.body, delivery.headers)
            return
        with structlog.contextvars.bound_contextvars(job_id=message.group_id, trace_id=message.trace_id):
            answer, headers = await process(message, delivery.headers)
            if answer.status == "failed" and (delivery.redelivered or TRIES in delivery.headers):
                # Whoever began it before may have died just behind its put.
                headers = {**(headers or {}), TRIES: tries_of(delivery)}
            await self._broker.publish(Queue.IMAGE_PROCESSED, encode(answer), headers)

    async def _process(self, message: MetadataGenerated, headers: Headers) -> Answer:
        try:
            path = await self._tag(message, headers)
        except (ContentError, ObjectNotFound, BadInput, TooLarge, HelperDied, HelperTimeout) as error:
            log.warning("image failed", reason=str(error))
            return _failed(message, error.text, error.code)
        except GatewayError:
            raise
        except Exception:
            # It happened in a helper, to this image: it must not end the gateway, now and at each start again.
            log.exception("tagging crashed")
            return _failed(message, "The processor failed on this image.")
        return evolve(_result(message, "completed"), processed_path=path), None

    async def _tag(self, message: MetadataGenerated, headers: Headers) -> str:
        key = ObjectKey(Bucket.ORIGINAL, message.original_path)
        original = await read_whole(self._objects, key, max_bytes=self._max_bytes)
        words = evolve(message.metadata, writer=_writer(headers))
        policy = combined(_policy(headers), self._settings.policy)
        tagged = await self._helpers.run(
            write_tags, original, words, policy, timeout_s=self._settings.timeout_s
        )
        path = f"{message.trace_id}/{message.original_filename}"
        await self._objects.put(
            ObjectKey(Bucket.PROCESSED, path),
            _pieces(tagged),
            media_type=(image_type(tagged) or ImageType.JPEG).media_type,
            max_bytes=self._max_bytes + _MAX_GROWTH_BYTES,
        )
        return path


def _writer(headers: Headers) -> str:
    """Who found the words; empty when nobody says so."""
    writer = headers.get(METADATA_WRITER)
    return writer if isinstance(writer, str) else ""


def _policy(headers: Headers) -> MetadataPolicy:
    """What the request said; a word that nobody understands fails no image."""
    if METADATA_POLICY not in headers:
        return AUTO
    try:
        return decode_policy(headers[METADATA_POLICY])
    except Malformed as error:
        log.warning("malformed policy, the setting holds", reason=str(error))
        return AUTO


def _failed(message: MetadataGenerated, text: str, code: str = TAGGING_FAILED) -> Answer:
    """The code is one that the gateway takes from a processor."""
    known = code if code in TAGGING_CODES else TAGGING_FAILED
    return evolve(_result(message, "failed"), error=text), {FAILURE_CODE: known}


async def _given_up(message: MetadataGenerated, _: Headers) -> Answer:
    return _failed(message, GIVEN_UP)


def _result(message: MetadataGenerated, status: Literal["completed", "failed"]) -> ImageProcessed:
    return ImageProcessed(
        timestamp=datetime.now(UTC),
        trace_id=message.trace_id,
        group_id=message.group_id,
        original_filename=message.original_filename,
        status=status,
        telegram_id=message.telegram_id,
    )


async def _pieces(image: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(image), _PIECE):
        yield image[start : start + _PIECE]

"""The processor: takes words from `metadata_generated`, writes them into a copy of the original, tells the gateway.

It never rejects: what it can't do it answers as `failed`. A tagged image lies in the bucket of processed ones under
`<trace_id>/<safe file name>`, with a trace_id that is the attempt's own, so that no two attempts write one object.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final, Literal

import structlog
from attrs import define, evolve

from gateway.consuming import Workers
from gateway.errors import BadInput, ContentError, GatewayError, TooLarge
from gateway.images.signatures import ImageType, image_type
from gateway.messages import ImageProcessed, Malformed, MetadataGenerated, decode, encode
from gateway.ports.broker import Broker, Delivery, Queue
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound, ObjectStore, read_whole
from gateway.processes import HelperDied, HelperProcesses, HelperTimeout
from gateway.processor.settings import ProcessorSettings
from gateway.processor.tags import write_tags
from gateway.telemetry.metrics import WorkerMetrics

log = structlog.get_logger(__name__)

_MAX_GROWTH_BYTES: Final = 16 * 1024 * 1024
"""Tags grow an image a little."""
_PIECE: Final = 256 * 1024


@define(eq=False)
class Processor:
    """One message at a time, in a helper process."""

    _broker: Broker
    _objects: ObjectStore
    _helpers: HelperProcesses
    _settings: ProcessorSettings
    _max_bytes: int

    def workers(self, metrics: WorkerMetrics) -> Workers:
        """The service that feeds this processor."""
        return Workers(
            "processor",
            self._broker,
            Queue.METADATA_GENERATED,
            self.handle,
            metrics,
            self._settings.concurrency,
            self._settings.prefetch,
        )

    async def handle(self, delivery: Delivery) -> None:
        """Tag the image of one message. Raises Unavailable when store or broker is down."""
        try:
            message = decode(MetadataGenerated, delivery.body)
        except Malformed as error:
            # The queue has no dead letter address, and giving it back would go on for ever.
            log.warning("malformed message", reason=str(error))
            await self._broker.publish(Queue.DEAD_LETTER, delivery.body, delivery.headers)
            return
        with structlog.contextvars.bound_contextvars(job_id=message.group_id, trace_id=message.trace_id):
            await self._broker.publish(Queue.IMAGE_PROCESSED, encode(await self._process(message)))

    async def _process(self, message: MetadataGenerated) -> ImageProcessed:
        try:
            path = await self._tag(message)
        except (ContentError, ObjectNotFound, BadInput, TooLarge, HelperDied, HelperTimeout) as error:
            log.warning("image failed", reason=str(error))
            return evolve(_answer(message, "failed"), error=error.text)
        except GatewayError:
            raise
        except Exception:
            # It happened in a helper, to this image: it must not end the gateway, now and at each start again.
            log.exception("tagging crashed")
            return evolve(_answer(message, "failed"), error="The processor failed on this image.")
        return evolve(_answer(message, "completed"), processed_path=path)

    async def _tag(self, message: MetadataGenerated) -> str:
        key = ObjectKey(Bucket.ORIGINAL, message.original_path)
        original = await read_whole(self._objects, key, max_bytes=self._max_bytes)
        tagged = await self._helpers.run(
            write_tags, original, message.metadata, timeout_s=self._settings.timeout_s
        )
        path = f"{message.trace_id}/{message.original_filename}"
        await self._objects.put(
            ObjectKey(Bucket.PROCESSED, path),
            _pieces(tagged),
            media_type=(image_type(tagged) or ImageType.JPEG).media_type,
            max_bytes=self._max_bytes + _MAX_GROWTH_BYTES,
        )
        return path


def _answer(message: MetadataGenerated, status: Literal["completed", "failed"]) -> ImageProcessed:
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

"""The analyzer: takes originals from `image_upload`, says what it knows of them on `metadata_generated`.

What it can't do it rejects, as the service does that it stands in for: a dead letter ends the attempt, and the
gateway decides what comes next. Beside the body it hands on what the request said about words that are in the image
already, and tells the processor who wrote the new ones.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog
from attrs import define

from gateway.analyzer.chain import Chain
from gateway.analyzer.provider import AnalysisFailed
from gateway.analyzer.settings import AnalyzerSettings
from gateway.consuming import GIVEN_UP, Hopeless, Workers
from gateway.errors import BadInput, ContentError, GatewayError, TooLarge
from gateway.failure_codes import ANALYSIS_CRASHED, ANALYSIS_FAILED
from gateway.messages import (
    METADATA_POLICY,
    METADATA_WRITER,
    ImageUpload,
    Malformed,
    MetadataGenerated,
    decode,
    encode,
)
from gateway.metadata import Metadata
from gateway.ports.broker import Broker, Delivery, Queue
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound, ObjectStore, read_whole
from gateway.processes import HelperDied, HelperTimeout
from gateway.telemetry.metrics import WorkerMetrics

log = structlog.get_logger(__name__)


@define(eq=False)
class Analyzer:
    """One message at a time."""

    _broker: Broker
    _objects: ObjectStore
    _providers: Chain
    _settings: AnalyzerSettings
    _max_bytes: int

    def workers(self, metrics: WorkerMetrics, count: int) -> Workers:
        """The service that feeds this analyzer `count` images at once."""
        return Workers(
            "analyzer",
            self._broker,
            Queue.IMAGE_UPLOAD,
            self.handle,
            metrics,
            count,
            self._settings.prefetch,
            self._settings.max_tries,
            self.give_up,
        )

    async def handle(self, delivery: Delivery) -> None:
        """Analyse the image of one message. Raises Hopeless; Unavailable when store or broker is down."""
        try:
            message = decode(ImageUpload, delivery.body)
        except Malformed as error:
            log.warning("malformed message rejected", reason=str(error))
            raise Hopeless(error.text, code=ANALYSIS_FAILED) from error
        with structlog.contextvars.bound_contextvars(job_id=message.group_id, trace_id=message.trace_id):
            words = await self._words(message)
            headers = _headers(delivery, words)
            await self._broker.publish(Queue.METADATA_GENERATED, encode(_answer(message, words)), headers)
            log.debug("image analysed", keywords=len(words.keywords))

    async def give_up(self, _: Delivery) -> None:
        """Raises Hopeless: whoever began it came to no end."""
        raise Hopeless(GIVEN_UP, code=ANALYSIS_CRASHED)

    async def _words(self, message: ImageUpload) -> Metadata:
        try:
            return await self._describe(message)
        except (ContentError, ObjectNotFound, BadInput, TooLarge, HelperDied, HelperTimeout) as error:
            code = error.code if isinstance(error, AnalysisFailed) else ANALYSIS_FAILED
            log.warning("image rejected", reason=str(error), code=code)
            raise Hopeless(error.text, code=code) from error
        except GatewayError:
            raise
        except Exception as bug:
            # It happened in a helper, to this image: it must not end the gateway, now and at each start again.
            log.exception("analysis crashed")
            raise Hopeless("The analyzer failed on this image.", code=ANALYSIS_FAILED) from bug

    async def _describe(self, message: ImageUpload) -> Metadata:
        key = ObjectKey(Bucket.ORIGINAL, message.original_path)
        image = await read_whole(self._objects, key, max_bytes=self._max_bytes)
        return await self._providers.describe(image, message.original_filename)


def _headers(upload: Delivery, words: Metadata) -> Mapping[str, object]:
    headers: dict[str, object] = {}
    if METADATA_POLICY in upload.headers:
        headers[METADATA_POLICY] = upload.headers[METADATA_POLICY]
    if words.writer:
        headers[METADATA_WRITER] = words.writer
    return headers


def _answer(message: ImageUpload, words: Metadata) -> MetadataGenerated:
    return MetadataGenerated(
        timestamp=datetime.now(UTC),
        trace_id=message.trace_id,
        group_id=message.group_id,
        original_filename=message.original_filename,
        original_path=message.original_path,
        metadata=words,
        telegram_id=message.telegram_id,
    )

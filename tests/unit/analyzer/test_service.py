"""What the analyzer says beside the bodies of its messages: headers, and why it rejects."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import orjson
import pytest
from attrs import define
from structlog.testing import capture_logs

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.adapters.object_store.folder import open_folder_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.analyzer.chain import Chain
from gateway.analyzer.provider import AnalysisFailed
from gateway.analyzer.service import Analyzer
from gateway.analyzer.settings import AnalyzerSettings
from gateway.consuming import Hopeless
from gateway.errors import ContentError, Unavailable
from gateway.messages import METADATA_POLICY, METADATA_WRITER, encode_policy
from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy
from gateway.ports.broker import Delivery, Queue
from gateway.ports.object_store import Bucket, ObjectKey, ObjectStore
from gateway.processes import HelperDied, HelperTimeout
from tests.golden import golden
from tests.photos import a_jpeg

(UPLOAD,) = golden("image_upload.accepted")
WORDS = Metadata("Harbour", "Boats at dawn.", ("boat",), writer="local/größer-1")


@define
class AProvider:
    """Knows some words, or meets some trouble."""

    words: Metadata = WORDS
    trouble: Exception | None = None
    name: str = "a-provider"

    async def describe(self, image: bytes, file_name: str) -> Metadata:
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        return self.words


@pytest.fixture
def broker() -> InProcessBroker:
    return InProcessBroker()


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    async def original() -> AsyncIterator[bytes]:
        yield a_jpeg()

    async with open_folder_store(ObjectStoreSettings(), tmp_path) as store:
        key = ObjectKey(Bucket.ORIGINAL, orjson.loads(UPLOAD["body"])["original_path"])
        await store.put(key, original(), media_type="image/jpeg", max_bytes=1 << 20)
        yield store


async def answered(
    broker: InProcessBroker, objects: ObjectStore, provider: AProvider, **headers: object
) -> Delivery:
    """What it hands to the processor for an upload with these headers."""
    analyzer = Analyzer(broker, objects, Chain([provider]), AnalyzerSettings(), 1 << 20)
    sent = {header.replace("_", "-"): value for header, value in headers.items()}
    await analyzer.handle(Delivery(Queue.IMAGE_UPLOAD, UPLOAD["body"].encode(), 1, sent))
    async with broker.sweep(Queue.METADATA_GENERATED, limit=1) as sweep:
        (answer,) = sweep.deliveries
    return answer


async def test_the_policy_of_the_request_is_handed_on_as_it_came_and_no_other_header(
    broker: InProcessBroker, objects: ObjectStore
) -> None:
    policy = encode_policy(MetadataPolicy(title=FieldPolicy.KEEP))
    answer = await answered(broker, objects, AProvider(), metadata_policy=policy, traceparent="00-1")
    assert answer.headers == {METADATA_POLICY: policy, METADATA_WRITER: WORDS.writer}


@pytest.mark.parametrize(
    ("writer", "headers"), [("vision/a-model", {METADATA_WRITER: "vision/a-model"}), ("", {})]
)
async def test_the_processor_is_told_who_wrote_the_words_where_somebody_is_known(
    broker: InProcessBroker, objects: ObjectStore, writer: str, headers: Mapping[str, object]
) -> None:
    words = Metadata("Harbour", writer=writer)
    assert (await answered(broker, objects, AProvider(words))).headers == headers


async def test_the_body_is_that_of_the_contract_whatever_stands_in_headers(
    broker: InProcessBroker, objects: ObjectStore
) -> None:
    real = orjson.loads(golden("metadata_generated")[0]["body"])
    body = orjson.loads((await answered(broker, objects, AProvider(), metadata_policy="{}")).body)
    assert body.keys() == real.keys()
    assert body["metadata"].keys() == real["metadata"].keys()


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (AnalysisFailed("The picture is too dark."), "analysis_failed"),
        (AnalysisFailed("The model refuses.", code="analysis_refused"), "analysis_refused"),
        (AnalysisFailed("The model is down.", code="analysis_unavailable"), "analysis_unavailable"),
        (ContentError("Not an image.", code="not_an_image"), "analysis_failed"),
        (HelperTimeout("It took too long."), "analysis_failed"),
        (HelperDied("It broke."), "analysis_failed"),
        (KeyError("a bug"), "analysis_failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_a_reject_has_the_code_of_an_analysis_that_failed_and_the_log_has_it(
    broker: InProcessBroker, objects: ObjectStore, trouble: Exception, code: str
) -> None:
    with capture_logs() as lines, pytest.raises(Hopeless) as caught:
        await answered(broker, objects, AProvider(trouble=trouble))
    assert caught.value.code == code
    if not isinstance(trouble, KeyError):
        (line,) = lines
        assert (line["event"], line["code"]) == ("image rejected", code)


async def test_what_is_down_rejects_nothing(broker: InProcessBroker, objects: ObjectStore) -> None:
    with pytest.raises(Unavailable):
        await answered(broker, objects, AProvider(trouble=Unavailable("Down.")))

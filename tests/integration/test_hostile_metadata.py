"""Metadata that is made to harm: it costs the image that has it its tags at most, and nobody else anything.

Each goes through the processor as it runs, with a real helper process that has little memory and little time.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import pytest_asyncio
from attrs import define

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.adapters.object_store.folder import open_folder_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.ports.broker import Delivery, Queue
from gateway.ports.object_store import Bucket, ObjectKey, ObjectStore
from gateway.processes import HelperProcesses, HelperSettings
from gateway.processor.service import Processor
from gateway.processor.settings import ProcessorSettings
from tests.golden import golden
from tests.hostile_metadata import REFUSED, TAGGED
from tests.mutations import mutations
from tests.photos import a_jpeg
from tests.pictures import picture_data

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_BYTES: Final = 1 << 24
SMALL_HELPER: Final = HelperSettings(count=1, max_memory_bytes=384 * 1024**2)
TIMEOUT_S: Final = 30.0
OF_A_HELPER: Final = ("helper process", "longer than", "processor failed")
"""What is said when one crashed, hung, ran out of memory or met a bug: the metadata got further than it should."""


@define
class Parts:
    """A processor and what it works on."""

    processor: Processor
    broker: InProcessBroker
    objects: ObjectStore

    async def answer_for(self, image: bytes) -> dict[str, Any]:
        """What the processor answers when it was told to tag `image`."""
        (message,) = golden("metadata_generated")
        path = orjson.loads(message["body"])["original_path"]

        async def body() -> AsyncIterator[bytes]:
            yield image

        key = ObjectKey(Bucket.ORIGINAL, path)
        await self.objects.put(key, body(), media_type="image/jpeg", max_bytes=MAX_BYTES)
        await self.processor.handle(Delivery(Queue.METADATA_GENERATED, message["body"].encode(), tag=1))
        async with self.broker.sweep(Queue.IMAGE_PROCESSED, limit=1) as sweep:
            (delivery,) = sweep.deliveries
            await sweep.ack(delivery)
        answer: dict[str, Any] = orjson.loads(delivery.body)
        return answer

    async def tagged(self, answer: dict[str, Any]) -> bytes:
        async with self.objects.open(ObjectKey(Bucket.PROCESSED, answer["processed_path"])) as reader:
            return b"".join([chunk async for chunk in reader.chunks])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Parts]:
    folder: Path = tmp_path_factory.mktemp("objects")
    helpers, broker = HelperProcesses(SMALL_HELPER), InProcessBroker()
    async with open_folder_store(ObjectStoreSettings(), folder) as objects:
        settings = ProcessorSettings(timeout_s=TIMEOUT_S)
        yield Parts(Processor(broker, objects, helpers, settings, MAX_BYTES), broker, objects)
        await helpers.close()


@pytest.mark.parametrize("name", TAGGED)
async def test_an_image_that_can_be_tagged_is_and_stays_the_same_image(parts: Parts, name: str) -> None:
    image = TAGGED[name]()
    answer = await parts.answer_for(image)
    assert (answer["status"], answer.get("error")) == ("completed", None)
    assert picture_data(await parts.tagged(answer)) == picture_data(image)


@pytest.mark.parametrize("name", REFUSED)
async def test_an_image_that_cannot_be_tagged_fails_with_a_reason_before_it_harms_a_helper(
    parts: Parts, name: str
) -> None:
    answer = await parts.answer_for(REFUSED[name]())
    assert (answer["status"], answer["processed_path"]) == ("failed", "")
    assert answer["error"]
    assert not any(text in answer["error"] for text in OF_A_HELPER)


async def test_the_next_image_is_served_by_the_same_helper(parts: Parts) -> None:
    for hostile in (TAGGED["EXIF that points to itself"], REFUSED["XMP with entities in entities"]):
        await parts.answer_for(hostile())
        assert (await parts.answer_for(a_jpeg()))["status"] == "completed"


class TestMutations:
    """Real files, in whose metadata bytes were changed, put in, taken out and doubled. The seed says which."""

    @pytest.mark.parametrize("seed", range(30))
    async def test_each_is_tagged_without_harm_or_fails_with_a_reason(self, parts: Parts, seed: int) -> None:
        for image in mutations(seed, 10):
            answer = await parts.answer_for(image)
            if answer["status"] == "completed":
                assert picture_data(await parts.tagged(answer)) == picture_data(image)
            else:
                assert not any(text in answer["error"] for text in OF_A_HELPER)

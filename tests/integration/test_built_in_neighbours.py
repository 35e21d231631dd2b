"""The built-in analyzer and processor, on real messages of the running ones, a real folder and real helpers."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import evolve
from structlog.testing import capture_logs

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.adapters.object_store.folder import open_folder_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.analyzer.chain import Chain
from gateway.analyzer.local.provider import LocalProvider
from gateway.analyzer.local.settings import LocalSettings
from gateway.analyzer.service import Analyzer
from gateway.analyzer.settings import AnalyzerSettings
from gateway.consuming import Hopeless
from gateway.errors import Unavailable
from gateway.images.embedded.metadata import read_metadata
from gateway.images.inspect import MAX_PIXELS
from gateway.metadata import Metadata
from gateway.ports.broker import Delivery, Queue
from gateway.ports.object_store import Bucket, ObjectKey, ObjectStore
from gateway.processes import HelperProcesses
from gateway.processor.container.image_data import ImageDataChanged
from gateway.processor.service import Processor
from gateway.processor.settings import ProcessorSettings
from gateway.processor.tags import write_tags
from tests.golden import golden
from tests.photos import a_jpeg, a_png, a_truncated_jpeg

MAX_BYTES = 1 << 24


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    async with open_folder_store(ObjectStoreSettings(), tmp_path) as store:
        yield store


@pytest.fixture
async def helpers() -> AsyncIterator[HelperProcesses]:
    pool = HelperProcesses()
    yield pool
    await pool.close()


async def put(objects: ObjectStore, key: str, content: bytes) -> None:
    async def body():
        yield content

    await objects.put(ObjectKey(Bucket.ORIGINAL, key), body(), media_type="image/jpeg", max_bytes=MAX_BYTES)


async def read(objects: ObjectStore, key: str) -> bytes:
    async with objects.open(ObjectKey(Bucket.PROCESSED, key)) as reader:
        return b"".join([chunk async for chunk in reader.chunks])


async def the_body_in(broker: InProcessBroker, queue: Queue) -> dict[str, Any]:
    async with broker.sweep(queue, limit=10) as sweep:
        (delivery,) = sweep.deliveries
    body: dict[str, Any] = orjson.loads(delivery.body)
    return body


async def the_headers_in(broker: InProcessBroker, queue: Queue) -> dict[str, object]:
    async with broker.sweep(queue, limit=10) as sweep:
        (delivery,) = sweep.deliveries
    return dict(delivery.headers)


async def the_words_of(objects: ObjectStore, answer: dict[str, Any]) -> Metadata:
    """What the processed image says."""
    return read_metadata(await read(objects, answer["processed_path"])) or Metadata()


def a_message(title: str) -> dict[str, Any]:
    """Metadata with no more than a title."""
    (message,) = golden("metadata_generated")
    fields = orjson.loads(message["body"]) | {
        "metadata": {"title": title, "description": "", "keywords": None}
    }
    return {"body": orjson.dumps(fields).decode()}


def a_photo_called(title: str) -> bytes:
    """By a person, who names no writer."""
    return write_tags(a_jpeg(), Metadata(title))


def an_analyzer(
    broker: InProcessBroker,
    objects: ObjectStore,
    helpers: HelperProcesses,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Analyzer:
    settings = AnalyzerSettings()
    local = LocalProvider(helpers, LocalSettings(), max_pixels, settings.timeout_s)
    return Analyzer(broker, objects, Chain([local]), settings, max_bytes)


def delivered(message: dict[str, Any], queue: Queue, **headers: object) -> Delivery:
    """With headers, whose names have hyphens for underscores."""
    body = message["body"]
    assert isinstance(body, str)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Delivery(queue, body.encode(), tag=1, headers=named)


class CrashingHelpers(HelperProcesses):
    """Every image meets a bug that nobody foresaw."""

    async def run(self, function: Callable[..., Any], *args: Any, timeout_s: float) -> Any:
        raise KeyError("a bug")


class RefusingHelpers(HelperProcesses):
    """No image stays what it is."""

    async def run(self, function: Callable[..., Any], *args: Any, timeout_s: float) -> Any:
        raise ImageDataChanged("Tags cannot be written into this image.")


async def a_helper_that_waits_for_work(helpers: HelperProcesses) -> int:
    """Its process id. It is stopped: what it is given next it takes and does not get on with."""
    pid = await helpers.run(os.getpid, timeout_s=30)
    os.kill(pid, signal.SIGSTOP)
    return pid


@pytest.fixture
def no_helper_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the system lets us have no more processes."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")


class TestAnalyzer:
    @pytest.fixture
    def broker(self) -> InProcessBroker:
        return InProcessBroker()

    @pytest.fixture
    def analyzer(self, broker, objects, helpers) -> Analyzer:
        return an_analyzer(broker, objects, helpers)

    @pytest.mark.parametrize("number", range(len(golden("image_upload.tolerated"))))
    async def test_it_takes_what_the_running_one_takes_and_answers_with_its_fields(
        self, analyzer, broker, objects, number
    ):
        message = golden("image_upload.tolerated")[number]
        fields = orjson.loads(message["body"])
        await put(objects, fields["original_path"], a_jpeg())
        await analyzer.handle(delivered(message, Queue.IMAGE_UPLOAD))
        answer = await the_body_in(broker, Queue.METADATA_GENERATED)
        (real,) = golden("metadata_generated")
        assert answer.keys() == orjson.loads(real["body"]).keys()
        assert {
            name: answer[name] for name in ("trace_id", "group_id", "original_filename", "original_path")
        } == {name: fields[name] for name in ("trace_id", "group_id", "original_filename", "original_path")}
        assert type(answer["metadata"]["keywords"]) is list

    @pytest.mark.parametrize("number", range(len(golden("image_upload.rejected"))))
    async def test_it_rejects_what_the_running_one_rejects(self, analyzer, number):
        message = golden("image_upload.rejected")[number]
        with pytest.raises(Hopeless):
            await analyzer.handle(delivered(message, Queue.IMAGE_UPLOAD))

    @pytest.mark.parametrize("content", [None, b"", b"text", a_truncated_jpeg(), b"GIF89a"])
    async def test_it_rejects_an_image_that_is_missing_or_no_good(self, analyzer, broker, objects, content):
        message = golden("image_upload.accepted")[0]
        if content is not None:
            await put(objects, orjson.loads(message["body"])["original_path"], content)
        with pytest.raises(Hopeless):
            await analyzer.handle(delivered(message, Queue.IMAGE_UPLOAD))
        assert (await broker.depth(Queue.METADATA_GENERATED)).messages == 0

    async def test_it_rejects_what_has_more_pixels_than_its_bound(self, broker, objects, helpers):
        message = golden("image_upload.accepted")[0]
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg(64, 48))
        analyzer = an_analyzer(broker, objects, helpers, max_pixels=64 * 48 - 1)
        with pytest.raises(Hopeless):
            await analyzer.handle(delivered(message, Queue.IMAGE_UPLOAD))

    async def test_it_rejects_what_has_more_bytes_than_its_bound(self, broker, objects, helpers):
        message = golden("image_upload.accepted")[0]
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        analyzer = an_analyzer(broker, objects, helpers, max_bytes=len(a_jpeg()) - 1)
        with pytest.raises(Hopeless, match="too large"):
            await analyzer.handle(delivered(message, Queue.IMAGE_UPLOAD))

    @pytest.mark.usefixtures("no_helper_starts")
    async def test_a_machine_on_which_no_helper_starts_rejects_nothing(self, analyzer, objects):
        message = golden("image_upload.accepted")[0]
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        with pytest.raises(Unavailable):
            await analyzer.handle(delivered(message, Queue.IMAGE_UPLOAD))

    async def test_a_bug_in_a_helper_rejects_the_image_and_ends_nobody(self, broker, objects):
        message = golden("image_upload.accepted")[0]
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        analyzer = an_analyzer(broker, objects, CrashingHelpers())
        with pytest.raises(Hopeless):
            await analyzer.handle(delivered(message, Queue.IMAGE_UPLOAD))


class TestProcessor:
    @pytest.fixture
    def broker(self) -> InProcessBroker:
        return InProcessBroker()

    @pytest.fixture
    def processor(self, broker, objects, helpers) -> Processor:
        return Processor(broker, objects, helpers, ProcessorSettings(), MAX_BYTES)

    async def test_it_tags_the_image_and_answers_with_the_fields_of_the_running_one(
        self, processor, broker, objects
    ):
        (message,) = golden("metadata_generated")
        fields = orjson.loads(message["body"])
        await put(objects, fields["original_path"], a_jpeg())
        await processor.handle(delivered(message, Queue.METADATA_GENERATED))
        answer = await the_body_in(broker, Queue.IMAGE_PROCESSED)
        (real,) = golden("image_processed.completed")
        assert answer.keys() == orjson.loads(real["body"]).keys()
        assert answer["telegram_username"] == ""
        assert (answer["status"], answer["trace_id"], answer["group_id"]) == (
            "completed",
            fields["trace_id"],
            fields["group_id"],
        )
        assert answer["processed_path"] == f"{fields['trace_id']}/china.jpg"
        words = fields["metadata"]
        assert read_metadata(await read(objects, str(answer["processed_path"]))) == Metadata(
            words["title"], words["description"], tuple(words["keywords"]), writer="analyzer"
        )

    async def test_it_tags_a_png_as_well(self, processor, broker, objects):
        (message,) = golden("metadata_generated")
        await put(objects, orjson.loads(message["body"])["original_path"], a_png())
        await processor.handle(delivered(message, Queue.METADATA_GENERATED))
        assert (await the_body_in(broker, Queue.IMAGE_PROCESSED))["status"] == "completed"

    async def test_empty_metadata_leaves_the_image_as_it_is(self, processor, broker, objects):
        (message,) = golden("metadata_generated.empty")
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        await processor.handle(delivered(message, Queue.METADATA_GENERATED))
        answer = await the_body_in(broker, Queue.IMAGE_PROCESSED)
        assert await read(objects, str(answer["processed_path"])) == a_jpeg()

    @pytest.mark.parametrize("content", [None, b"", b"text"])
    async def test_what_it_can_not_do_it_answers_as_failed(self, processor, broker, objects, content):
        (message,) = golden("metadata_generated")
        if content is not None:
            await put(objects, orjson.loads(message["body"])["original_path"], content)
        await processor.handle(delivered(message, Queue.METADATA_GENERATED))
        answer = await the_body_in(broker, Queue.IMAGE_PROCESSED)
        assert (answer["status"], answer["processed_path"]) == ("failed", "")
        assert answer["error"]

    @pytest.mark.parametrize("content", [None, b"text", a_truncated_jpeg()])
    async def test_a_failure_of_its_own_is_called_so(self, processor, broker, objects, content):
        (message,) = golden("metadata_generated")
        if content is not None:
            await put(objects, orjson.loads(message["body"])["original_path"], content)
        await processor.handle(delivered(message, Queue.METADATA_GENERATED))
        assert await the_headers_in(broker, Queue.IMAGE_PROCESSED) == {"failure-code": "tagging_failed"}

    async def test_an_image_that_would_not_be_the_same_fails_by_that_name(self, broker, objects):
        (message,) = golden("metadata_generated")
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        processor = Processor(broker, objects, RefusingHelpers(), ProcessorSettings(), MAX_BYTES)
        await processor.handle(delivered(message, Queue.METADATA_GENERATED))
        assert await the_headers_in(broker, Queue.IMAGE_PROCESSED) == {"failure-code": "image_data_changed"}

    @pytest.mark.parametrize(
        ("headers", "redelivered", "told"), [({}, False, None), ({"tries": 2}, False, 2), ({}, True, 1)]
    )
    async def test_of_a_message_that_came_again_a_failure_tells_which_try_it_was(
        self,
        broker: InProcessBroker,
        objects: ObjectStore,
        headers: dict[str, object],
        redelivered: bool,
        told: int | None,
    ) -> None:
        """Whoever began it before may have died just behind its put."""
        (message,) = golden("metadata_generated")
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        processor = Processor(broker, objects, RefusingHelpers(), ProcessorSettings(), MAX_BYTES)
        delivery = delivered(message, Queue.METADATA_GENERATED, **headers)
        await processor.handle(evolve(delivery, redelivered=redelivered))
        assert (await the_headers_in(broker, Queue.IMAGE_PROCESSED)).get("tries") == told

    async def test_a_completed_image_has_no_code(self, processor, broker, objects):
        (message,) = golden("metadata_generated")
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        await processor.handle(delivered(message, Queue.METADATA_GENERATED))
        assert await the_headers_in(broker, Queue.IMAGE_PROCESSED) == {}

    @pytest.mark.parametrize(
        ("headers", "writer"),
        [({"metadata_writer": "local/x"}, "local/x"), ({"metadata_writer": 7}, "analyzer"), ({}, "analyzer")],
        ids=["named", "not a text", "unnamed"],
    )
    async def test_it_writes_who_found_the_words(self, processor, broker, objects, headers, writer):
        (message,) = golden("metadata_generated")
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        await processor.handle(delivered(message, Queue.METADATA_GENERATED, **headers))
        words = await the_words_of(objects, await the_body_in(broker, Queue.IMAGE_PROCESSED))
        assert words.writer == writer

    @pytest.mark.parametrize(
        ("setting", "headers", "title"),
        [
            ("auto", {}, "Minka"),
            ("replace", {}, "A quiet harbour"),
            ("append", {}, "Minka – A quiet harbour"),
            ("replace", {"metadata_policy": '{"title": "keep"}'}, "Minka"),
            ("keep", {"metadata_policy": b'{"title": "replace"}'}, "A quiet harbour"),
            ("replace", {"metadata_policy": '{"description": "keep"}'}, "A quiet harbour"),
        ],
    )
    async def test_the_request_says_what_becomes_of_words_that_are_there_and_then_the_setting(
        self, broker, objects, helpers, setting, headers, title
    ):
        message = a_message("A quiet harbour")
        await put(objects, orjson.loads(message["body"])["original_path"], a_photo_called("Minka"))
        processor = Processor(broker, objects, helpers, ProcessorSettings(title=setting), MAX_BYTES)
        await processor.handle(delivered(message, Queue.METADATA_GENERATED, **headers))
        words = await the_words_of(objects, await the_body_in(broker, Queue.IMAGE_PROCESSED))
        assert words.title == title

    @pytest.mark.parametrize("policy", ["keep", '{"title": "burn"}', 7, b"\xff"])
    async def test_a_policy_that_nobody_understands_fails_no_image(self, broker, objects, helpers, policy):
        message = a_message("A quiet harbour")
        await put(objects, orjson.loads(message["body"])["original_path"], a_photo_called("Minka"))
        processor = Processor(broker, objects, helpers, ProcessorSettings(title="replace"), MAX_BYTES)
        with capture_logs() as lines:
            await processor.handle(delivered(message, Queue.METADATA_GENERATED, metadata_policy=policy))
        words = await the_words_of(objects, await the_body_in(broker, Queue.IMAGE_PROCESSED))
        assert words.title == "A quiet harbour"
        assert [(line["event"], line["log_level"]) for line in lines] == [
            ("malformed policy, the setting holds", "warning")
        ]

    async def test_a_message_that_it_can_not_read_goes_to_the_dead_letters(self, processor, broker):
        delivery = Delivery(Queue.METADATA_GENERATED, b"hello", tag=1)
        await processor.handle(delivery)
        async with broker.sweep(Queue.DEAD_LETTER, limit=1) as sweep:
            assert [letter.body for letter in sweep.deliveries] == [b"hello"]

    async def test_what_has_more_bytes_than_its_bound_it_answers_as_failed(self, broker, objects, helpers):
        (message,) = golden("metadata_generated")
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        processor = Processor(broker, objects, helpers, ProcessorSettings(), len(a_jpeg()) - 1)
        await processor.handle(delivered(message, Queue.METADATA_GENERATED))
        answer = await the_body_in(broker, Queue.IMAGE_PROCESSED)
        assert (answer["status"], "too large" in answer["error"]) == ("failed", True)

    @pytest.mark.usefixtures("no_helper_starts")
    async def test_a_machine_on_which_no_helper_starts_fails_nothing(self, processor, objects):
        (message,) = golden("metadata_generated")
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        with pytest.raises(Unavailable):
            await processor.handle(delivered(message, Queue.METADATA_GENERATED))

    async def test_a_bug_in_a_helper_fails_the_image_and_ends_nobody(self, broker, objects):
        (message,) = golden("metadata_generated")
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        processor = Processor(broker, objects, CrashingHelpers(), ProcessorSettings(), MAX_BYTES)
        await processor.handle(delivered(message, Queue.METADATA_GENERATED))
        assert (await the_body_in(broker, Queue.IMAGE_PROCESSED))["status"] == "failed"

    async def test_a_helper_that_is_killed_from_outside_costs_the_image_nothing(
        self, processor, broker, objects, helpers
    ):
        (message,) = golden("metadata_generated")
        await put(objects, orjson.loads(message["body"])["original_path"], a_jpeg())
        pid = await a_helper_that_waits_for_work(helpers)
        work = asyncio.create_task(processor.handle(delivered(message, Queue.METADATA_GENERATED)))
        async with asyncio.timeout(30):
            while not helpers._busy:  # noqa: SLF001
                await asyncio.sleep(0.01)
            os.kill(pid, signal.SIGKILL)
            await work
        assert (await the_body_in(broker, Queue.IMAGE_PROCESSED))["status"] == "completed"

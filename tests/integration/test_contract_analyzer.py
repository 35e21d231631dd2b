"""Analyzers on the wire, field by field against real messages: the stand-in for the running one, and our worker.

What holds of both is asked of both, as processes of their own on a real RabbitMQ; so the stand-in is held to what
the running one does, and ours to what may be mixed with it.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from attrs import define

from tests.golden import golden
from tests.photos import a_jpeg, a_truncated_jpeg
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.s3 import S3Server, plain_client
from tests.servers.system import Make, Names, Place, Program, an_empty_place, running, worker
from tests.servers.wire import Wire, replaced, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOB = "0198c0de-0000-7000-8000-000000000001"
HANDED_ON = ("trace_id", "group_id", "original_filename", "original_path", "telegram_id")
EMPTY = {"trace_id": "", "group_id": "", "original_filename": "", "original_path": "", "telegram_id": 0}
TOLERATED = golden("image_upload.tolerated")
REJECTED = golden("image_upload.rejected")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def cases(messages: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(message, id=message["case"]) for message in messages]


@define(eq=False)
class Stage:
    """An analyzer at work on a broker of its own, and the onlooker's line to it."""

    line: Wire
    storage: Any
    analyzer: Program

    async def keep(self, message: dict[str, Any], content: bytes) -> None:
        """Put the original where the message says it is."""
        key = json.loads(message["body"])["original_path"]
        await self.storage.put_object(Bucket="original", Key=key, Body=content)

    async def send(self, message: dict[str, Any]) -> None:
        await self.line.publish("image_upload", message["body"].encode(), **message["properties"])


@asynccontextmanager
async def a_stage(make: Make, rabbitmq: RabbitMQ, folder: Path) -> AsyncIterator[Stage]:
    async with an_empty_place(rabbitmq, folder) as at:
        program = worker("analyzer", make, at.place, folder, FAIL_NAMES="bad*", NO_WORDS_NAMES="e.jpg")
        async with running(program) as analyzer:
            yield Stage(at.line, at.storage, analyzer)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stages(
    rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[Make, Stage]]:
    """Of each make one, for all tests."""
    async with (
        a_stage("existing", rabbitmq, tmp_path_factory.mktemp("existing")) as existing,
        a_stage("ours", rabbitmq, tmp_path_factory.mktemp("ours")) as ours,
    ):
        yield {"existing": existing, "ours": ours}


@pytest_asyncio.fixture(loop_scope="module", params=["existing", "ours"])
async def stage(request: pytest.FixtureRequest, stages: Mapping[Make, Stage]) -> AsyncIterator[Stage]:
    """What is asked of both."""
    stage = stages[request.param]
    yield stage
    await stage.line.empty("metadata_generated", "dead_letter_queue")


@pytest.fixture
def existing(stages: Mapping[Make, Stage]) -> Stage:
    return stages["existing"]


@pytest.fixture
def ours(stages: Mapping[Make, Stage]) -> Stage:
    return stages["ours"]


async def test_it_declares_its_queues_as_the_running_one_does(stage: Stage) -> None:
    queues = {queue["name"]: queue["arguments"] for queue in golden("queues")[0]["queues"]}
    for name in golden("queues")[0]["analyzer_declares"]:
        await stage.line.declare(name, passive=True)
        await stage.line.declare(name, queues[name])


async def test_it_makes_the_bucket_of_originals(stage: Stage) -> None:
    listed = await stage.storage.list_buckets()
    made = {bucket["Name"] for bucket in listed["Buckets"]}
    assert set(golden("queues")[0]["buckets"]["analyzer_makes"]) <= made


@pytest.mark.parametrize("message", cases(TOLERATED))
async def test_it_takes_what_the_running_one_takes(stage: Stage, message: dict[str, Any]) -> None:
    await stage.keep(message, a_jpeg())
    await stage.send(message)
    answer = await stage.line.take("metadata_generated")
    fields = EMPTY | json.loads(message["body"])
    assert {name: answer.json[name] for name in HANDED_ON} == {name: fields[name] for name in HANDED_ON}


@pytest.mark.parametrize("message", cases(REJECTED))
async def test_it_rejects_what_the_running_one_rejects(stage: Stage, message: dict[str, Any]) -> None:
    await stage.send(message)
    letter = await stage.line.take("dead_letter_queue")
    assert letter.body == message["body"].encode()


async def test_its_answer_has_the_fields_and_types_of_the_running_ones(stage: Stage) -> None:
    (upload,) = golden("image_upload.accepted")
    await stage.keep(upload, a_jpeg())
    await stage.send(upload)
    answer = await stage.line.take("metadata_generated")
    real = json.loads(golden("metadata_generated")[0]["body"])
    assert set(answer.json) == set(real)
    assert types(answer.json) == types(real)
    assert types(answer.json["metadata"]) == types(real["metadata"])
    assert {type(word) for word in answer.json["metadata"]["keywords"]} == {str}
    assert RFC_3339.fullmatch(answer.json["timestamp"])
    assert answer.properties["content_type"] == "application/json"


async def test_headers_and_ids_of_the_message_are_not_handed_on(stage: Stage) -> None:
    """Ours says who wrote the words, and knows one header that it hands on."""
    (message,) = (message for message in TOLERATED if message["case"] == "headers")
    await stage.keep(message, a_jpeg())
    await stage.send(message)
    properties = (await stage.line.take("metadata_generated")).properties
    assert set(properties.get("headers", {})) <= {"metadata-writer"}
    assert "correlation_id" not in properties
    assert properties.get("message_id") != message["properties"]["message_id"]


@pytest.mark.parametrize(
    "content",
    [None, b"", b"text", b"GIF89a", a_truncated_jpeg()],
    ids=["missing", "empty", "text", "gif", "cut"],
)
async def test_an_image_that_is_no_good_is_rejected(stage: Stage, content: bytes | None) -> None:
    (upload,) = golden("image_upload.accepted")
    if content is None:
        upload = upload | {"body": replaced(upload, original_path="gone/original.jpg").decode()}
    else:
        await stage.keep(upload, content)
    await stage.send(upload)
    letter = await stage.line.take("dead_letter_queue")
    assert letter.body == upload["body"].encode()


def types(fields: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in fields.items()}


def without_time(properties: Any) -> dict[str, Any]:
    """Its names as text: the broker's table has `exchange` and the like as they come."""
    (death,) = properties["headers"]["x-death"]
    headers = properties["headers"] | {"x-death": [death | {"time": None}]}
    return dict(properties) | {"headers": headers, "message_id": None}


async def test_the_stand_in_writes_what_the_running_one_writes_byte_for_byte(existing: Stage) -> None:
    """But for what the model says and the clock."""
    (upload,), (real,) = golden("image_upload.accepted"), golden("metadata_generated")
    await existing.keep(upload, a_jpeg())
    await existing.send(upload)
    answer = await existing.line.take("metadata_generated")
    assert but_for_words_and_clock(answer.text) == but_for_words_and_clock(real["body"])
    assert answer.properties == real["properties"]


async def test_the_stand_in_has_null_for_no_keywords(existing: Stage) -> None:
    (real,) = golden("metadata_generated.empty")
    path = json.loads(real["body"])["original_path"]
    fields = {
        "trace_id": path.split("/")[0],
        "group_id": JOB,
        "original_filename": "e.jpg",
        "original_path": path,
    }
    await existing.storage.put_object(Bucket="original", Key=path, Body=a_jpeg())
    await existing.line.publish("image_upload", json.dumps(fields).encode())
    answer = await existing.line.take("metadata_generated")
    assert but_for_words_and_clock(answer.text) == but_for_words_and_clock(
        replaced(real, group_id=JOB).decode()
    )


async def test_the_stand_in_rejects_a_good_image_when_its_model_fails(existing: Stage) -> None:
    (upload,) = golden("image_upload.accepted")
    await existing.keep(upload, a_jpeg())
    body = replaced(upload, original_filename="bad.jpg")
    await existing.line.publish("image_upload", body)
    assert (await existing.line.take("dead_letter_queue")).body == body


async def test_the_stand_ins_reject_is_the_brokers_with_its_x_death(existing: Stage) -> None:
    (upload,), (real,) = golden("image_upload.accepted"), golden("dead_letter.image_upload")
    await existing.keep(upload, b"text")
    await existing.send(upload)
    letter = await existing.line.take("dead_letter_queue")
    assert without_time(letter.properties) == without_time(real["properties"])


async def test_our_reject_is_a_persistent_copy_with_the_reason(ours: Stage) -> None:
    (upload,) = golden("image_upload.accepted")
    await ours.keep(upload, b"text")
    await ours.send(upload)
    properties = (await ours.line.take("dead_letter_queue")).properties
    assert properties["headers"] == {
        "reject-reason": "The image could not be decoded.",
        "failure-code": "analysis_failed",
    }
    assert properties["delivery_mode"] == 2


async def test_our_answer_is_persistent(ours: Stage) -> None:
    """A broker that is killed loses no answer of ours."""
    (upload,) = golden("image_upload.accepted")
    await ours.keep(upload, a_jpeg())
    await ours.send(upload)
    assert (await ours.line.take("metadata_generated")).properties["delivery_mode"] == 2


def but_for_words_and_clock(body: str) -> str:
    body = RFC_3339.sub("<now>", body)
    return re.sub(r"(Tïtle |sees: |kw-)[0-9a-f]+", r"\1<digest>", body)


class TestAStop:
    """At SIGTERM the running one rejects what it has in hand; ours gives it back."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def line(self, rabbitmq_url: str) -> AsyncIterator[Wire]:
        async with wire(rabbitmq_url) as line:
            yield line

    async def test_the_stand_in_rejects_what_it_has_in_hand(
        self, line: Wire, rabbitmq_url: str, rclone: S3Server, tmp_path: Path
    ) -> None:
        names = Names(original=rclone.options()["original_bucket"])
        place = Place(rabbitmq_url, rclone, names)
        (upload,) = golden("image_upload.accepted")
        async with running(worker("analyzer", "existing", place, tmp_path, ANALYSIS_S="60")) as analyzer:
            async with plain_client(rclone) as storage:
                key = json.loads(upload["body"])["original_path"]
                await storage.put_object(Bucket=names.original, Key=key, Body=a_jpeg())
            for _ in range(4):
                await line.publish("image_upload", upload["body"].encode())
            await line.holds("image_upload", 1)
            ended = await analyzer.stop()
        assert ended.code == 0
        await line.holds("dead_letter_queue", 3)
        await line.holds("image_upload", 1)

    async def test_the_stand_in_does_not_start_beside_other_arguments(
        self, line: Wire, rabbitmq_url: str, rclone: S3Server, tmp_path: Path
    ) -> None:
        await line.declare("image_upload", {"x-max-priority": 5})
        place = Place(rabbitmq_url, rclone, Names(original=rclone.options()["original_bucket"]))
        analyzer = worker("analyzer", "existing", place, tmp_path)
        await analyzer.launch()
        assert await analyzer.process.wait() == 1
        assert "PRECONDITION_FAILED" in analyzer.output()

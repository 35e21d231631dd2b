"""Processors on the wire, field by field against real messages: the stand-in for the running one, and our worker.

What holds of both is asked of both, as processes of their own on a real RabbitMQ; the rest of each alone.
"""

import asyncio
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
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg, a_png
from tests.pictures import exiftool, tags_of
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.s3 import S3Server
from tests.servers.system import Make, Names, Place, an_empty_place, running, worker
from tests.servers.web import Request, head, web_server
from tests.servers.wire import Seen, Wire, replaced, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANDED_ON = ("trace_id", "group_id", "original_filename", "telegram_id")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
(METADATA,) = golden("metadata_generated")
(NO_METADATA,) = golden("metadata_generated.empty")
(TAGS,) = golden("processed_tags")


@define(eq=False)
class Stage:
    """A processor at work on a broker of its own, and the onlooker's line to it."""

    line: Wire
    storage: Any

    async def process(
        self, body: bytes, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Seen:
        """What the processor answers; `content` is kept as the original."""
        if content is not None:
            key = json.loads(body)["original_path"]
            await self.storage.put_object(Bucket="original", Key=key, Body=content)
        properties = {"content_type": "application/json"} | ({"headers": headers} if headers else {})
        await self.line.publish("metadata_generated", body, **properties)
        return await self.line.take("image_processed")

    async def processed(self, result: Seen) -> bytes:
        """The image that the answer tells of."""
        path = result.json["processed_path"]
        assert path, result.json
        answer = await self.storage.get_object(Bucket="processed", Key=path)
        async with answer["Body"] as body:
            content: bytes = await body.read()
        return content


@asynccontextmanager
async def a_stage(make: Make, rabbitmq: RabbitMQ, folder: Path) -> AsyncIterator[Stage]:
    async with an_empty_place(rabbitmq, folder) as at:
        await at.line.declare("dead_letter_queue")
        async with running(worker("processor", make, at.place, folder)):
            yield Stage(at.line, at.storage)


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


@pytest.fixture(params=["existing", "ours"])
def stage(request: pytest.FixtureRequest, stages: Mapping[Make, Stage]) -> Stage:
    """What is asked of both."""
    return stages[request.param]


@pytest.fixture
def existing(stages: Mapping[Make, Stage]) -> Stage:
    return stages["existing"]


@pytest.fixture
def ours(stages: Mapping[Make, Stage]) -> Stage:
    return stages["ours"]


async def test_it_declares_its_queues_as_the_running_one_does(stage: Stage) -> None:
    queues = {queue["name"]: queue["arguments"] for queue in golden("queues")[0]["queues"]}
    for name in golden("queues")[0]["processor_declares"]:
        await stage.line.declare(name, passive=True)
        await stage.line.declare(name, queues[name])


async def test_it_makes_both_buckets(stage: Stage) -> None:
    listed = await stage.storage.list_buckets()
    made = {bucket["Name"] for bucket in listed["Buckets"]}
    assert made == set(golden("queues")[0]["buckets"]["processor_makes"])


async def test_a_jpeg_is_answered_with_the_fields_and_types_of_the_running_ones_answer(stage: Stage) -> None:
    result = await stage.process(METADATA["body"].encode(), a_jpeg())
    real = json.loads(golden("image_processed.completed")[0]["body"])
    assert types(result.json) == types(real)
    assert RFC_3339.fullmatch(result.json["timestamp"])
    assert (result.json["status"], result.json["telegram_username"]) == ("completed", "")
    assert result.properties["content_type"] == "application/json"
    assert "headers" not in result.properties


async def test_the_answer_has_the_values_of_the_question(stage: Stage) -> None:
    result = await stage.process(METADATA["body"].encode(), a_jpeg())
    question = json.loads(METADATA["body"])
    assert {name: result.json[name] for name in HANDED_ON} == {name: question[name] for name in HANDED_ON}


async def test_a_failure_is_answered_with_the_fields_and_types_of_the_running_ones_answer(
    stage: Stage,
) -> None:
    result = await stage.process(replaced(METADATA, original_path="gone/photo.jpg"))
    real = json.loads(golden("image_processed.failed-missing-object")[0]["body"])
    assert types(result.json) == types(real)
    assert (result.json["status"], result.json["processed_path"]) == ("failed", "")
    assert result.json["error"]


async def test_the_processed_image_has_at_least_the_tags_that_the_running_one_writes(stage: Stage) -> None:
    result = await stage.process(with_metadata(TAGS["plain"]["metadata"]), a_jpeg())
    written = tags_of(await stage.processed(result))
    latin_1_only = "IPTC:Caption-Abstract"
    expected = {name: value for name, value in TAGS["plain"]["tags"].items() if name != latin_1_only}
    assert {name: written.get(name) for name in expected} == expected
    assert str(written[latin_1_only]).startswith("What one sees – “quoted”, ünïcode ")


async def test_empty_metadata_leaves_the_image_as_it_was(stage: Stage) -> None:
    result = await stage.process(NO_METADATA["body"].encode(), a_jpeg())
    assert result.json["status"] == "completed"
    assert await stage.processed(result) == a_jpeg()


async def test_the_stand_in_answers_byte_for_byte_as_the_running_one(existing: Stage) -> None:
    (real,) = golden("image_processed.completed")
    trace_id = json.loads(METADATA["body"])["trace_id"]
    result = await existing.process(METADATA["body"].encode(), a_jpeg())
    path = f"processed/{trace_id}/china.jpg"
    expected = replaced(real, trace_id=trace_id, processed_path=path).decode()
    assert but_for_the_clock(result.text) == but_for_the_clock(expected)
    assert result.properties == real["properties"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("failed-png", a_png()), ("failed-missing-object", None), ("failed-name-256-bytes", a_jpeg())],
)
async def test_the_stand_in_fails_byte_for_byte_as_the_running_one(
    existing: Stage, name: str, content: bytes | None
) -> None:
    (real,) = golden(f"image_processed.{name}")
    result = await existing.process(question_of(real), content)
    assert but_for_the_clock(result.text) == but_for_the_clock(real["body"])
    assert result.properties == real["properties"]


async def test_the_stand_in_writes_the_tags_of_the_running_one_and_no_others(existing: Stage) -> None:
    result = await existing.process(with_metadata(TAGS["plain"]["metadata"]), a_jpeg())
    written = tags_of(await existing.processed(result))
    ours = {name for name in written if name.startswith(("IPTC:", "XMP-dc:", "IFD0:XP"))}
    expected = TAGS["plain"]["tags"]
    assert {name: written[name] for name in ours | {"IFD0:ImageDescription"}} == expected


async def test_the_stand_in_cuts_long_iptc_as_the_running_one(existing: Stage) -> None:
    lengths = TAGS["long"]["metadata_lengths"]
    metadata = {
        "title": "t" * lengths["title"],
        "description": "d" * lengths["description"],
        "keywords": ["k" * lengths["keyword"]],
    }
    result = await existing.process(with_metadata(metadata), a_jpeg())
    written = tags_of(await existing.processed(result))
    expected = TAGS["long"]["tag_lengths"]
    assert {name: len("".join(written[name])) for name in expected} == expected


async def test_the_stand_in_gives_back_for_ever_what_it_can_not_read(
    rabbitmq_url: str, rclone: S3Server, tmp_path: Path
) -> None:
    buckets = rclone.options()
    names = Names(original=buckets["original_bucket"], processed=buckets["processed_bucket"])
    async with wire(rabbitmq_url) as line:
        async with running(
            worker("processor", "existing", Place(rabbitmq_url, rclone, names), tmp_path)
        ) as it:
            await line.publish("metadata_generated", b"hello")
            async with asyncio.timeout(PATIENCE_S):
                while it.output().count("given back") < 3:
                    await asyncio.sleep(0.02)
        assert (await line.take("metadata_generated")).body == b"hello"
        assert await line.depth("image_processed") == (0, 0)


async def test_the_stand_in_ends_when_somebody_else_makes_its_bucket_at_the_same_time(
    rabbitmq_url: str, rclone: S3Server, tmp_path: Path
) -> None:
    async def lost_race(request: Request, writer: asyncio.StreamWriter) -> None:
        body = b"<Error><Code>BucketAlreadyOwnedByYou</Code><Message>too late</Message></Error>"
        if request.method == "HEAD":
            writer.write(head(404, {}, 0))
        else:
            writer.write(head(409, {"Content-Type": "application/xml"}, len(body)) + body)

    async with web_server({"/original": lost_race}) as site:
        place = Place(rabbitmq_url, rclone)
        it = worker("processor", "existing", place, tmp_path, MINIO_ENDPOINT=f"{site.host}:{site.port}")
        await it.launch()
        assert await it.process.wait() == 1
    assert "BucketAlreadyOwnedByYou" in it.output()


async def test_ours_keeps_what_it_can_not_read_among_the_dead_letters(ours: Stage) -> None:
    await ours.line.publish("metadata_generated", b"hello")
    assert (await ours.line.take("dead_letter_queue")).body == b"hello"


async def test_our_answer_is_persistent(ours: Stage) -> None:
    result = await ours.process(METADATA["body"].encode(), a_jpeg())
    assert result.properties["delivery_mode"] == 2


async def test_ours_lies_where_no_other_attempt_writes(ours: Stage) -> None:
    result = await ours.process(METADATA["body"].encode(), a_jpeg())
    trace_id = json.loads(METADATA["body"])["trace_id"]
    assert result.json["processed_path"] == f"{trace_id}/china.jpg"


async def test_ours_tags_pngs_as_well_and_loses_no_character_in_iptc(ours: Stage) -> None:
    result = await ours.process(with_metadata(TAGS["plain"]["metadata"]), a_png())
    written = tags_of(await ours.processed(result))
    assert written["XMP-dc:Title"] == TAGS["plain"]["metadata"]["title"]
    assert written["IPTC:Caption-Abstract"] == TAGS["plain"]["metadata"]["description"]


async def test_ours_says_with_a_failure_what_kind_it_is(ours: Stage) -> None:
    result = await ours.process(METADATA["body"].encode(), b"no image")
    assert result.json["status"] == "failed"
    assert result.properties["headers"] == {"failure-code": "tagging_failed"}


async def test_ours_names_the_existing_analyzer_by_what_it_is(ours: Stage) -> None:
    result = await ours.process(METADATA["body"].encode(), a_jpeg())
    written = tags_of(await ours.processed(result))
    assert written["IPTC:Writer-Editor"] == written["XMP-photoshop:CaptionWriter"] == "analyzer"


async def test_headers_tell_ours_who_found_the_words_and_what_becomes_of_those_that_are_there(
    ours: Stage,
) -> None:
    described = exiftool("-charset", "utf8", "-XMP-dc:Title=Old", "-XMP-dc:Subject=old", image=a_jpeg())
    metadata = with_metadata({"title": "New", "description": "It is new.", "keywords": ["new"]})
    headers = {"metadata-writer": "vision/openai/gpt-4o", "metadata-policy": '{"keywords": "replace"}'}
    written = tags_of(await ours.processed(await ours.process(metadata, described, headers)))
    expected = {
        "XMP-dc:Title": "Old",
        "XMP-dc:Subject": ["new"],
        "IPTC:Keywords": "new",
        "XMP-photoshop:CaptionWriter": "vision/openai/gpt-4o (desc.)",
    }
    assert {name: written[name] for name in expected} == expected


async def test_headers_are_nothing_to_the_stand_in(existing: Stage) -> None:
    headers = {"metadata-writer": "vision/openai/gpt-4o", "metadata-policy": '{"keywords": "replace"}'}
    result = await existing.process(METADATA["body"].encode(), a_jpeg(), headers)
    assert (result.json["status"], "headers" in result.properties) == ("completed", False)


def types(fields: Mapping[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in fields.items()}


def but_for_the_clock(body: str) -> str:
    return RFC_3339.sub("<now>", body)


def with_metadata(metadata: Mapping[str, Any]) -> bytes:
    fields = json.loads(METADATA["body"]) | {"metadata": metadata}
    return json.dumps(fields, ensure_ascii=False).encode()


def question_of(result: Mapping[str, Any]) -> bytes:
    """The metadata to which a golden answer would be the answer; a missing object is missing where it says."""
    answer = json.loads(result["body"])
    fields = json.loads(METADATA["body"])
    fields |= {name: answer[name] for name in HANDED_ON}
    fields["original_path"] = f"{answer['trace_id']}/photo.jpg"
    return json.dumps(fields, ensure_ascii=False).encode()

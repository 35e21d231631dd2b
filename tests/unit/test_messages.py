"""The wire messages against real traffic of the running services, and against what nobody has sent yet."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.messages import (
    ImageProcessed,
    ImageUpload,
    Malformed,
    MetadataGenerated,
    decode,
    encode,
    parse_timestamp,
)
from gateway.metadata import Metadata
from tests.golden import golden, golden_names

Case = Mapping[str, Any]

TOLERATED = golden("image_upload.tolerated")
REJECTED = golden("image_upload.rejected")
RESULTS = [case for name in golden_names("image_processed.*") for case in golden(name)]
METADATA = [case for name in golden_names("metadata_generated*") for case in golden(name)]


def shows(case: Case) -> str:
    return str(case.get("case", case["shows"]))


def fields_of(case: Case) -> dict[str, Any]:
    fields = orjson.loads(case["body"])
    assert isinstance(fields, dict)
    return fields


def test_the_golden_files_are_all_there() -> None:
    assert (len(TOLERATED), len(REJECTED), len(RESULTS), len(METADATA)) == (11, 10, 11, 2)


def test_an_upload_is_written_byte_for_byte_as_the_analyzer_takes_it() -> None:
    accepted = golden("image_upload.accepted")[0]["body"]
    written = encode(decode(ImageUpload, accepted.encode()))
    assert written.decode() == accepted.replace('": ', '":').replace(', "', ',"')


def test_an_upload_has_the_seven_fields_with_their_types_also_when_empty() -> None:
    accepted = fields_of(golden("image_upload.accepted")[0])
    written = orjson.loads(encode(ImageUpload()))
    assert [(name, type(value)) for name, value in written.items()] == [
        (name, type(value)) for name, value in accepted.items()
    ]


@pytest.mark.parametrize("case", TOLERATED, ids=shows)
def test_what_the_analyzer_takes_is_taken(case: Case) -> None:
    upload = decode(ImageUpload, case["body"].encode())
    sent = fields_of(case)
    assert (upload.trace_id, upload.group_id) == (sent["trace_id"], sent["group_id"])
    assert (upload.original_filename, upload.original_path) == (
        sent["original_filename"], sent["original_path"],
    )  # fmt: skip
    assert upload.telegram_username == sent.get("telegram_username", "")
    assert (upload.timestamp is None) == ("timestamp" not in sent)


@pytest.mark.parametrize("case", REJECTED, ids=shows)
def test_what_the_analyzer_rejects_is_refused(case: Case) -> None:
    with pytest.raises(Malformed):
        decode(ImageUpload, case["body"].encode())


@pytest.mark.parametrize("case", RESULTS, ids=shows)
def test_every_result_of_the_running_processor_is_taken(case: Case) -> None:
    result = decode(ImageProcessed, case["body"].encode())
    sent = fields_of(case)
    assert (result.trace_id, result.status, result.processed_path) == (
        sent["trace_id"], sent["status"], sent["processed_path"],
    )  # fmt: skip
    assert result.error == sent.get("error", "")
    assert result.timestamp is not None


@pytest.mark.parametrize("case", METADATA, ids=shows)
def test_all_metadata_of_the_running_analyzer_is_taken(case: Case) -> None:
    message = decode(MetadataGenerated, case["body"].encode())
    words = fields_of(case)["metadata"]
    assert message.metadata == Metadata(
        title=words["title"], description=words["description"], keywords=tuple(words["keywords"] or ())
    )


def test_metadata_is_written_with_the_fields_of_the_running_analyzer() -> None:
    sent = fields_of(golden("metadata_generated")[0])
    written = orjson.loads(encode(decode(MetadataGenerated, orjson.dumps(sent))))
    assert written.keys() == sent.keys()
    assert written["metadata"] == sent["metadata"]


def test_a_result_is_written_with_the_fields_of_the_running_processor() -> None:
    sent = fields_of(golden("image_processed.completed")[0])
    assert list(orjson.loads(encode(decode(ImageProcessed, orjson.dumps(sent))))) == list(sent)


@pytest.mark.parametrize("status", [{}, {"status": None}, {"status": ""}, {"status": "done"}, {"status": 1}])
def test_a_result_that_does_not_say_how_it_ended_is_refused(status: dict[str, object]) -> None:
    with pytest.raises(Malformed, match="status"):
        decode(ImageProcessed, orjson.dumps({"trace_id": "t", **status}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trace_id", 7), ("trace_id", ["t"]), ("group_id", False), ("original_filename", {}),
        ("telegram_id", "0"), ("telegram_id", 0.0), ("telegram_id", True), ("telegram_id", 2**63),
        ("timestamp", 0), ("timestamp", ""),
    ],
)  # fmt: skip
def test_a_wrong_type_of_a_known_field_is_refused_and_named(field: str, value: object) -> None:
    with pytest.raises(Malformed, match=field):
        decode(ImageUpload, orjson.dumps({field: value}))


@pytest.mark.parametrize(
    "words", [[], "x", 0, {"title": 0}, {"description": []}, {"keywords": ""}, {"keywords": [1]}]
)
def test_metadata_of_a_wrong_shape_is_refused(words: object) -> None:
    with pytest.raises(Malformed, match="metadata"):
        decode(MetadataGenerated, orjson.dumps({"metadata": words}))


@pytest.mark.parametrize("kind", [ImageUpload, MetadataGenerated])
def test_null_is_as_if_the_field_were_missing(kind: type[ImageUpload] | type[MetadataGenerated]) -> None:
    nulls = dict.fromkeys(orjson.loads(encode(kind())))
    assert decode(kind, orjson.dumps(nulls)) == kind()  # type: ignore[type-var]  # one kind at a time


@pytest.mark.parametrize("words", [None, {}, {"title": None, "description": None, "keywords": None}])
def test_metadata_of_nothing_is_empty(words: object) -> None:
    assert decode(MetadataGenerated, orjson.dumps({"metadata": words})).metadata.is_empty


def test_a_result_without_error_has_no_such_field() -> None:
    assert b"error" not in encode(ImageProcessed(status="completed"))


def test_a_timestamp_without_zone_is_never_written() -> None:
    with pytest.raises(ValueError, match="zone"):
        encode(ImageUpload(timestamp=datetime(2026, 1, 1)))  # noqa: DTZ001 - the mistake itself


def test_timestamps_are_written_in_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert orjson.loads(encode(ImageUpload(timestamp=noon)))["timestamp"] == "2026-01-01T10:00:00Z"


OFFSETS = st.integers(-1439, 1439)
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))  # noqa: DTZ001 - hypothesis wants them so
AWARE = st.builds(
    lambda moment, minutes: moment.replace(tzinfo=timezone(timedelta(minutes=minutes))), MOMENTS, OFFSETS
)
TEXT = st.text(st.characters(codec="utf-8"))


@given(MOMENTS, st.text("0123456789", max_size=9), OFFSETS)
def test_any_fraction_and_offset_is_read(moment: datetime, digits: str, minutes: int) -> None:
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    seconds = moment.replace(microsecond=0)
    text = f"{seconds.isoformat()}{'.' + digits if digits else ''}{sign}{hours:02}:{rest:02}"
    wanted = (seconds - timedelta(minutes=minutes)).replace(microsecond=int(digits.ljust(6, "0")[:6]))
    assert parse_timestamp(text) == wanted.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "", "2026-11-24", "2026-11-24T21:00:00", "2026-11-24 21:00:00Z", "2026-11-24T21:00Z",
        "2026-02-30T21:00:00Z", "2026-11-24T25:00:00Z", "2026-11-24T21:00:61Z", "2026-11-24T21:00:00.Z",
        "2026-11-24T21:00:00.1234567890Z", "2026-11-24T21:00:00+2:00", "2026-11-24T21:00:00+24:00",
        "2026-11-24T21:00:00+02:60", "2026-11-24T21:00:00Z\n", "٢٠٢٦-11-24T21:00:00Z",
        "0001-01-01T00:00:00+01:00",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="timestamp"):
        parse_timestamp(text)


UPLOADS = st.builds(
    ImageUpload, timestamp=AWARE, trace_id=TEXT, group_id=TEXT, telegram_username=TEXT, original_filename=TEXT,
    original_path=TEXT, telegram_id=st.integers(-(2**63), 2**63 - 1),
)  # fmt: skip
GENERATED = st.builds(
    MetadataGenerated, timestamp=AWARE, trace_id=TEXT,
    metadata=st.builds(Metadata, TEXT, TEXT, st.lists(TEXT).map(tuple)),
)  # fmt: skip
PROCESSED = st.builds(
    ImageProcessed, timestamp=AWARE, processed_path=TEXT, status=st.sampled_from(["completed", "failed"]),
    error=TEXT,
)  # fmt: skip


@given(UPLOADS | GENERATED | PROCESSED)
def test_what_is_written_reads_the_same(message: ImageUpload | MetadataGenerated | ImageProcessed) -> None:
    assert decode(type(message), encode(message)) == message  # type: ignore[type-var]  # one kind at a time


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["timestamp", "trace_id", "status", "metadata", "telegram_id", "error", "title", "keywords"]
)


@given(st.binary() | (JSON | st.dictionaries(NAMES, JSON)).map(orjson.dumps))
def test_any_body_is_a_message_or_malformed_and_nothing_else(body: bytes) -> None:
    for kind in (ImageUpload, MetadataGenerated, ImageProcessed):
        try:
            decode(kind, body)  # type: ignore[type-var]  # one kind at a time
        except Malformed:
            continue

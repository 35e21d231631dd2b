"""The bodies of messages, as gateway, analyzer and processor write and read them.

Seven or so flat fields, one JSON object a body. Reading is as strict and as tolerant as the running services are:
unknown fields are ignored, missing ones are empty, a wrong type of a known field is refused, `null` is as if missing.
Only a result must have its `status`: nothing can be told from it without. Timestamps are written in RFC 3339, UTC,
with zone, and read with 0 to 9 digits of fraction and any offset.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

import orjson
from attrs import NOTHING, fields, frozen

from gateway.messages.errors import Malformed
from gateway.metadata import Metadata

CONTENT_TYPE: Final = "application/json"

_NO_WORDS: Final = Metadata()
_NO_TIME: Final = datetime.fromtimestamp(0, UTC)
_NOT_ANY_TEXT: Final = frozenset({"timestamp", "status", "metadata", "telegram_id"})
_INT64: Final = range(-(2**63), 2**63)

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:[0-5]\d)", re.ASCII)


@frozen(kw_only=True)
class ImageUpload:
    """gateway -> analyzer: an original waits at `original_path`."""

    timestamp: datetime | None = None
    trace_id: str = ""
    group_id: str = ""
    telegram_username: str = ""
    original_filename: str = ""
    original_path: str = ""
    telegram_id: int = 0


@frozen(kw_only=True)
class MetadataGenerated:
    """analyzer -> processor: these words belong into that original."""

    timestamp: datetime | None = None
    trace_id: str = ""
    group_id: str = ""
    original_filename: str = ""
    original_path: str = ""
    metadata: Metadata = _NO_WORDS
    telegram_id: int = 0


@frozen(kw_only=True)
class ImageProcessed:
    """processor -> gateway: how the attempt ended."""

    timestamp: datetime | None = None
    trace_id: str = ""
    group_id: str = ""
    telegram_username: str = ""
    original_filename: str = ""
    processed_path: str = ""
    status: Literal["completed", "failed"]
    error: str = ""
    telegram_id: int = 0


Message = TypeVar("Message", ImageUpload, MetadataGenerated, ImageProcessed)

_FIELDS: Final = {
    kind: [(field.name, field.default is NOTHING) for field in fields(kind)]
    for kind in (ImageUpload, MetadataGenerated, ImageProcessed)
}
"""Of each kind the names, and whether a message can't be without: looked up once, for messages come in thousands."""


def encode(message: ImageUpload | MetadataGenerated | ImageProcessed) -> bytes:
    """The message as one JSON object; an empty `error` is left out. Its timestamp must have a zone."""
    body = {name: getattr(message, name) for name, _ in _FIELDS[type(message)]}
    body["timestamp"] = _in_utc(message.timestamp or _NO_TIME)
    if isinstance(message, MetadataGenerated):
        body["metadata"] = _metadata_body(message.metadata)
    if body.get("error") == "":
        del body["error"]
    return orjson.dumps(body, option=orjson.OPT_UTC_Z)


def decode(kind: type[Message], body: bytes) -> Message:
    """The message that the body holds. Raises Malformed, saying which field is wrong."""
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed("not JSON", detail=str(error)) from error
    if not isinstance(raw, dict):
        raise Malformed(f"a JSON {_json_name(raw)} instead of an object")
    known: dict[str, Any] = {}
    for name, is_required in _FIELDS[kind]:
        value = raw.get(name)
        if type(value) is str and name not in _NOT_ANY_TEXT:  # most are, and messages come in thousands
            known[name] = value
        elif value is not None:
            known[name] = _read_field(name, value)
        elif is_required:
            raise Malformed(f"{name} is missing")
    return kind(**known)


def parse_timestamp(text: str) -> datetime:
    """RFC 3339 with any fraction and offset; digits past microseconds are dropped. Raises Malformed."""
    if _TIMESTAMP.fullmatch(text) is None:
        raise Malformed("timestamp is not RFC 3339 with a zone")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Malformed("timestamp is no moment", detail=str(error)) from error


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a timestamp without zone")
    return moment.astimezone(UTC)


def _metadata_body(words: Metadata) -> dict[str, object]:
    return {"title": words.title, "description": words.description, "keywords": list(words.keywords)}


def _read_field(name: str, value: Any) -> Any:
    if name == "metadata":
        return _read_metadata(value)
    if name == "telegram_id":
        return _read_int64(name, value)
    text = _typed(name, value, str)
    if name == "timestamp":
        return parse_timestamp(text)
    if name == "status" and text not in ("completed", "failed"):
        raise Malformed("status is neither completed nor failed")
    return text


def _read_int64(name: str, value: Any) -> int:
    number: int = _typed(name, value, int)
    if number not in _INT64:
        raise Malformed(f"{name} is over 64 bits")
    return number


def _read_metadata(value: Any) -> Metadata:
    words = _typed("metadata", value, dict)
    keywords = _typed("metadata.keywords", _or(words.get("keywords"), []), list)
    return Metadata(
        title=_typed("metadata.title", _or(words.get("title"), ""), str),
        description=_typed("metadata.description", _or(words.get("description"), ""), str),
        keywords=tuple(_typed("metadata.keywords", _or(keyword, ""), str) for keyword in keywords),
    )


def _or(value: Any, empty: Any) -> Any:
    return empty if value is None else value


def _typed(name: str, value: Any, wanted: type) -> Any:
    if type(value) is not wanted:
        raise Malformed(f"{name} is a JSON {_json_name(value)}")
    return value


def _json_name(value: object) -> str:
    names: dict[type, str] = {
        dict: "object",
        list: "array",
        str: "string",
        bool: "boolean",
        type(None): "null",
    }
    return names.get(type(value), "number")

"""The messages on the wire, as gateway, analyzer and processor write and read them.

Seven or so flat fields, one JSON object a body. Reading is as strict and as tolerant as the running services are:
unknown fields are ignored, missing ones are empty, a wrong type of a known field is refused, `null` for a string is
as if missing. Timestamps are written in RFC 3339 with zone and read with 0 to 9 digits of fraction and any offset.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, Literal, TypeVar

import orjson
from attrs import fields, frozen

from gateway.errors import GatewayError
from gateway.metadata import Metadata

CONTENT_TYPE: Final = "application/json"

_NOTHING: Final = Metadata()

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Malformed(GatewayError):
    """A body that is no message of its kind."""

    default_code = "malformed_message"


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
    metadata: Metadata = _NOTHING
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
    status: Literal["completed", "failed"] = "failed"
    error: str = ""
    telegram_id: int = 0


Message = TypeVar("Message", ImageUpload, MetadataGenerated, ImageProcessed)


def encode(message: ImageUpload | MetadataGenerated | ImageProcessed) -> bytes:
    """The message as one JSON object; an empty `error` is left out."""
    body = {field.name: getattr(message, field.name) for field in fields(type(message))}
    if body["timestamp"] is None:
        body["timestamp"] = datetime.fromtimestamp(0, UTC)
    if isinstance(message, MetadataGenerated):
        words = message.metadata
        body["metadata"] = {
            "title": words.title, "description": words.description, "keywords": list(words.keywords),
        }  # fmt: skip
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
    known = {field.name: raw[field.name] for field in fields(kind) if raw.get(field.name) is not None}
    return kind(**{name: _read_field(name, value) for name, value in known.items()})


def parse_timestamp(text: str) -> datetime:
    """RFC 3339 with any fraction and offset; digits past microseconds are dropped. Raises Malformed."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise Malformed("timestamp is not RFC 3339 with a zone")
    seconds, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(seconds).replace(microsecond=int((fraction or "0").ljust(6, "0")[:6]))
        return (moment.replace(tzinfo=_zone(zone))).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Malformed("timestamp is no moment", detail=str(error)) from error


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)


def _read_field(name: str, value: Any) -> Any:
    if name == "metadata":
        return _read_metadata(value)
    if name == "telegram_id":
        return _typed(name, value, int)
    text = _typed(name, value, str)
    if name == "timestamp":
        return parse_timestamp(text)
    if name == "status" and text not in ("completed", "failed"):
        raise Malformed("status is neither completed nor failed")
    return text


def _read_metadata(value: Any) -> Metadata:
    words = _typed("metadata", value, dict)
    keywords = _typed("metadata.keywords", words.get("keywords") or [], list)
    return Metadata(
        title=_typed("metadata.title", words.get("title") or "", str),
        description=_typed("metadata.description", words.get("description") or "", str),
        keywords=tuple(_typed("metadata.keywords", keyword, str) for keyword in keywords),
    )


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

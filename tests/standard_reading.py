"""A batch as Python's `json` and `base64` read it, whole and slowly: a second opinion on what the gateway makes of it.

Whether a body is a right batch, and what is in it, not what is wrong. Of a URL the gateway's own judgement is
taken.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from gateway.fetch.urls import UrlRefused, UrlUnreadable, readable

MAX_IMAGES: Final = 100
MAX_NAME, MAX_URL = 4096, 8192
MAX_PREFIX: Final = 1024
POLICIES: Final = ("replace", "append", "keep")


class Wrong(Exception):
    """It is no batch."""


@frozen
class Image:
    """`content` is None for a URL, and for base64 that is broken."""

    name: str | None = None
    url: str | None = None
    content: bytes | None = None


@frozen
class Batch:
    images: Sequence[Image]
    options: Mapping[str, str] | None


def read_document(document: bytes) -> Batch:
    """Raises Wrong."""
    batch = _read_json(document)
    _demand(_has_keys(batch, {"images", "options"}))
    images = batch.get("images")
    _demand(isinstance(images, list) and 1 <= len(images) <= MAX_IMAGES)
    return Batch(
        [_image(image) for image in images], _options(batch["options"]) if "options" in batch else None
    )


def read_options(document: bytes) -> Mapping[str, str]:
    """Raises Wrong."""
    return _options(_read_json(document))


def read_base64(text: str) -> bytes | None:
    """The bytes of base64 with line breaks, behind a data URI prefix or not; None if it is broken."""
    if not text.isascii():
        return None
    if text[:5].lower() == "data:":
        prefix, comma, text = text.partition(",")
        _, *parameters = prefix.split(";")
        if not comma or len(prefix) >= MAX_PREFIX or not parameters or parameters[-1].lower() != "base64":
            return None
    text = text.replace("\r", "").replace("\n", "")
    if len(text) % 4 or text.endswith("==="):
        return None  # padding too much is no fault to the standard module
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _read_json(document: bytes) -> Any:
    try:
        text = document.decode()
        _demand(not text.startswith("\ufeff"))
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_each_once)
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        raise Wrong from None
    return value


def _image(image: Any) -> Image:
    _demand(_has_keys(image, {"url", "base64", "name"}))
    url, encoded, name = image.get("url"), image.get("base64"), image.get("name")
    _demand((url is None) != (encoded is None))
    _demand(name is None or (isinstance(name, str) and len(name) <= MAX_NAME))
    if url is None:
        _demand(isinstance(encoded, str))
        return Image(name, content=read_base64(encoded))
    _demand(isinstance(url, str) and len(url) <= MAX_URL)
    try:
        readable(url)
    except (UrlRefused, UrlUnreadable):
        raise Wrong from None
    return Image(name, url)


def _options(options: Any) -> Mapping[str, str]:
    _demand(_has_keys(options, {"metadata"}))
    metadata: dict[str, str] = options.get("metadata", {})
    _demand(_has_keys(metadata, {"title", "description", "keywords"}))
    _demand(all(policy in POLICIES for policy in metadata.values()))
    return metadata


def _has_keys(value: Any, known: set[str]) -> bool:
    return isinstance(value, dict) and set(value) <= known


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    _demand(len(members) == len(pairs))
    return members


def _refuse(_: str) -> None:
    raise Wrong


def _demand(holds: bool) -> None:
    if not holds:
        raise Wrong

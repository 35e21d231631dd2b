"""Keys that an object of JSON has twice: of what is asked for, neither is taken for what was meant.

RFC 8259, section 4, leaves open what holds then, and our reader of JSON takes the last without a word. Only options
are looked at, for in a whole body it would cost as much as to read it again.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from gateway.errors import BadInput

MAX_OPTIONS_BYTES: Final = 64 * 1024

_KEY: Final = b'"options"'
_COLON: Final = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_LONGEST_SHOWN: Final = 100


class KeyTwice(BadInput):
    """An object has a key twice."""

    default_code = "key_twice"


def refuse_repeats(document: bytes | str, name: str) -> None:
    """Of a document that is JSON. Raises KeyTwice; `name` is what the document is called there."""
    text = document if isinstance(document, str) else document.decode()
    try:
        _DECODER.raw_decode(text.lstrip())
    except _Repeated as repeated:
        raise KeyTwice(
            f"The {name} has the key {repeated.key[:_LONGEST_SHOWN]!r} twice in an object."
        ) from None
    except RecursionError:
        raise BadInput(f"The {name} is nested too deeply.", code="not_json") from None


def refuse_repeats_in_options(body: bytes | bytearray) -> None:
    """Of a JSON body that is a batch, with options. Raises KeyTwice, and BadInput for options out of all measure."""
    places = list(_options_in(body))
    if len(places) > 1:
        raise KeyTwice("The body has the key 'options' twice.")
    for place in places:
        piece = body[place : place + MAX_OPTIONS_BYTES].decode(errors="ignore")
        try:
            refuse_repeats(piece, "field options")
        except json.JSONDecodeError:
            raise BadInput(f"The options may have {MAX_OPTIONS_BYTES} bytes.", code="too_long") from None


def _options_in(body: bytes | bytearray) -> Iterator[int]:
    """Where the values of keys that are spelt so begin. In a text the quotes would stand behind backslashes."""
    at = body.find(_KEY)
    while at >= 0:
        behind = at + len(_KEY)
        if (colon := _COLON.match(body, behind)) and body[at - 1 : at] != b"\\":
            yield colon.end()
        at = body.find(_KEY, behind)


class _Repeated(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise _Repeated(key)
        members[key] = value
    return members


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_without_repeats)

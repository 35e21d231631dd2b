"""Keys that an object of JSON has twice: of what is asked for, neither is taken for what was meant.

RFC 8259, section 4, leaves open what holds then, and our reader of JSON takes the last without a word. A batch is
looked at as it comes (`json/structure.py`); here are small documents, which are whole already.
"""

import json
from typing import Any, Final

from gateway.errors import BadInput

_LONGEST_SHOWN: Final = 100


class KeyTwice(BadInput):
    """An object has a key twice."""

    default_code = "key_twice"


def key_twice(name: str, key: str) -> KeyTwice:
    return KeyTwice(f"The {name} has the key {key[:_LONGEST_SHOWN]!r} twice in an object.")


def refuse_repeats(document: bytes | str, name: str) -> None:
    """Of a document that is JSON. Raises KeyTwice; `name` is what the document is called there."""
    text = document if isinstance(document, str) else document.decode()
    try:
        _DECODER.raw_decode(text.lstrip())
    except _Repeated as repeated:
        raise key_twice(name, repeated.key) from None
    except RecursionError:
        raise BadInput(f"The {name} is nested too deeply.", code="not_json") from None


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

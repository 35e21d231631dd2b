"""What is wrong with the shape of a JSON document, told by JSON pointers (RFC 6901)."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

import orjson

from gateway.errors import BadInput, Fault

MAX_FAULTS: Final = 20
_MAX_SHOWN: Final = 100
_INSTEAD: Final = {
    "Input is a zero-length, empty document": "it is empty",
    "input data is empty": "it is empty",
    "str is not valid UTF-8: surrogates not allowed": "it is not valid UTF-8",
}
"""Of words of the parser."""


def read_json(document: bytes | bytearray | str, name: str) -> Any:
    """What the document holds. Raises BadInput; `name` is what the document is called there."""
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise not_json(name, parsers_words(error)) from None


def parsers_words(error: orjson.JSONDecodeError, *, with_position: bool = True) -> str:
    """What is wrong with a document, but for what its sender never gave: a str, the first character of nothing."""
    ours = _INSTEAD.get(error.msg)
    if ours:
        return ours
    return str(error) if with_position else error.msg


def not_json(name: str, why: str) -> BadInput:
    return BadInput(f"The {name} is not JSON: {why}.", code="not_json")


def refuse_any(faults: Sequence[Fault]) -> None:
    """Raises BadInput if there are any."""
    if not faults:
        return
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    at = first.pointer or "the body"
    raise BadInput(f"{at}: {first.detail}{more}", code=first.code, faults=faults[:MAX_FAULTS])


def unknown_fields(value: Mapping[str, Any], at: str, known: Sequence[str]) -> list[Fault]:
    """One fault for each field of `value`, which is at `at`, that is not among the known ones.

    Where its name is too long to be shown, the pointer is that of `value`: half a name would lead nowhere.
    """
    these = f"known {'is' if len(known) == 1 else 'are'} {', '.join(known)}"
    keys = islice((key for key in value if key not in known), MAX_FAULTS)
    return [
        Fault(_pointer(at, key), "unknown_field", f"unknown field {key[:_MAX_SHOWN]!r}; {these}")
        for key in keys
    ]


def not_an_object(value: object, at: str, what: str) -> Fault:
    return Fault(at, "wrong_type", f"{what} must be an object, not {kind_of(value)}")


def kind_of(value: object) -> str:
    """What JSON calls it, with an article."""
    names: dict[type, str] = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        type(None): "null",
    }
    return names.get(type(value), "a number")


def _pointer(at: str, key: str) -> str:
    """With the key as its last part (RFC 6901, section 3), or without it."""
    if len(key) > _MAX_SHOWN:
        return at
    return f"{at}/{key.replace('~', '~0').replace('/', '~1')}"

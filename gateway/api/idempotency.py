"""The header Idempotency-Key, by draft-ietf-httpapi-idempotency-key-header, and what tells a client of a repeat.

The draft has the key be a string of structured fields (RFC 9651, section 3.3.3: `"8e03..."`); many clients send the
bare text. Both spell the same key.
"""

import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from gateway.errors import BadInput

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED: Final[Mapping[str, str]] = {"Idempotent-Replayed": "true"}
"""What an answer carries that was given before."""
LONGEST_KEY: Final = 255

_BARE: Final = re.compile(r'(?!")[ -~]*')
_STRING: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_ESCAPED: Final = re.compile(r'\\(["\\])')


class BadIdempotencyKey(BadInput):
    """The header names no key."""

    default_code = "bad_idempotency_key"


def idempotency_key_of(request: web.Request) -> str | None:
    """The request's key, None if it has none. Raises BadIdempotencyKey."""
    values = request.headers.getall(KEY_HEADER, ())
    if not values:
        return None
    if len(values) > 1:
        raise BadIdempotencyKey(f"The request has {len(values)} headers {KEY_HEADER}; it may have one.")
    return read_key(values[0])


def read_key(value: str) -> str:
    """The key that the header's value spells. Raises BadIdempotencyKey."""
    key = _ESCAPED.sub(r"\1", match[1]) if (match := _STRING.fullmatch(value)) else value
    if not match and not _BARE.fullmatch(value):
        raise BadIdempotencyKey(
            f"The header {KEY_HEADER} must be one string of printable ASCII characters, in quotes or without."
        )
    if not 1 <= len(key) <= LONGEST_KEY:
        raise BadIdempotencyKey(f"An idempotency key has 1 to {LONGEST_KEY} characters, not {len(key)}.")
    return key

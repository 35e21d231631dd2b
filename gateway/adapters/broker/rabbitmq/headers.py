"""Headers of a message, as far as AMQP 0-9-1 can carry them."""

import math
import struct
from collections.abc import Mapping
from typing import Any, Final

from pamqp import encode

_MAX_BYTES: Final = 64 * 1024
"""They travel in one frame with the other properties; a broker that gets a longer one than agreed (128 KiB) closes
the connection."""
_MAX_KEY_CHARS: Final = 128
"""AMQP 0-9-1, section 4.2.5.5."""
_ADDRESSES: Final = ("CC", "BCC")
"""RabbitMQ sends a message to the queues that they name, too: what is handed on could come round again, for ever."""


def carried(headers: Mapping[str, object]) -> dict[str, Any]:
    """What can be sent of them: left out is what AMQP has no type for, what is too long, and further addresses."""
    sent: dict[str, Any] = {}
    room = _MAX_BYTES
    for key, value in headers.items():
        size = _size(key, value)
        if size is not None and size <= room:
            sent[key] = value
            room -= size
    return sent


def _size(key: str, value: Any) -> int | None:
    if len(key) > _MAX_KEY_CHARS or key in _ADDRESSES:
        return None
    try:
        return len(encode.field_table({key: value})) if _is_finite(value) else None
    except (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError, struct.error):
        return None


def _is_finite(value: Any) -> bool:
    """RabbitMQ reads no infinity: it closes the connection."""
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(_is_finite, value.values()))
        case list():
            return all(map(_is_finite, value))
        case _:
            return True

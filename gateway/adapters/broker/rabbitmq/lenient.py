"""Properties of messages as anybody may have sent them.

RabbitMQ hands on what it never read: text that is no UTF-8, a moment after the year 9999, tables without end. pamqp
refuses such a frame, and aiormq then ends the connection; the message comes again on the next one, and so for ever.
Here what can't be read is replaced or left out, for every connection of the process: of all properties we use the
headers alone.
"""

import struct
from collections.abc import Callable
from typing import Any

from pamqp import decode

_Decoder = Callable[[bytes], tuple[int, Any]]
"""From what begins with a value to the bytes that it takes, and the value."""

_UNREADABLE = (ValueError, OverflowError, OSError, RecursionError)


def read_leniently() -> None:
    """From now on. The types are those of which AMQP 0-9-1 makes properties and the fields of a delivery."""
    decode.METHODS["shortstr"] = _short_text
    decode.METHODS["timestamp"] = _or_else(decode.timestamp, lambda _: (8, None))
    decode.METHODS["table"] = read_table


def read_table(data: bytes) -> tuple[int, Any]:
    """Of the table with which the data begins: the bytes that it takes, and what it says if that can be read."""
    return _read_table(data)


def _short_text(data: bytes) -> tuple[int, str]:
    end = 1 + data[0]
    return end, data[1:end].decode(errors="replace")


def _or_else(decoder: _Decoder, instead: _Decoder) -> _Decoder:
    def lenient(data: bytes) -> tuple[int, Any]:
        try:
            return decoder(data)
        except _UNREADABLE:
            return instead(data)

    return lenient


def _length(table: bytes) -> int:
    """With the number that says so."""
    size: int = struct.unpack_from(">I", table)[0]
    return 4 + size


_read_table = _or_else(decode.field_table, lambda data: (_length(data), {}))

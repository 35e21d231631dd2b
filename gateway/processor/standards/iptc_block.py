"""A block of IPTC as it lies there: what Exiv2 would lose of it, and what it adds.

It reads nothing of a block whose last field says that it is longer than what is left, as one that was cut off does, and
would write it anew without all that it said. It gives UTC to times that say no zone, which nobody had said. Pure;
IPTC-IIM 4.2, 1.6, rules data sets.
"""

from collections.abc import Iterator
from typing import Final

from attrs import frozen

_MARKER: Final = 0x1C
_SMALLEST: Final = 6  # what Exiv2 looks at
_EXTENDED: Final = 0x8000
_MAX_LENGTH_BYTES: Final = 4
_TIMES: Final = frozenset({(1, 80), (2, 35), (2, 38), (2, 60), (2, 63)})
"""Sent, release, expiration, created, digitised. HHMMSS and a zone, which some programs leave out."""
_TIME_BYTES: Final = range(4, 16)
"""Of HHMM, HH:MM:SS+HH:MM and all forms between them that Exiv2 reads, and writes as HHMMSS and a zone."""


@frozen
class _DataSet:
    """A field: marker, record, number, length (or the length of that), value."""

    name: tuple[int, int]
    start: int
    value: int
    end: int


def readable(block: bytes) -> bytes:
    """`block` with a last field that is as long as it says. Raises ValueError where that can't be done."""
    for field in _data_sets(block):
        if field.end > len(block):
            if field.value - field.start > 5 or len(block) - field.value >= _EXTENDED:
                raise ValueError("a large field of IPTC is longer than there is")
            return block[: field.value - 2] + (len(block) - field.value).to_bytes(2) + block[field.value :]
    return block


def with_times_of(original: bytes, written: bytes) -> bytes:
    """The IPTC `written`, with each time that it has in another form as `original` has it."""
    times: dict[tuple[int, int], list[bytes]] = {}
    for field in _data_sets(original):
        if field.name in _TIMES:
            times.setdefault(field.name, []).insert(0, original[field.value : field.end])
    pieces, end = [], 0
    for field in _data_sets(written):
        time = times[field.name].pop() if times.get(field.name) else b""
        if _is_rewritten(time, written[field.start : field.end]):
            head = written[end : field.value - 2]
            pieces += [head, len(time).to_bytes(2), time]
            end = field.end
    return b"".join([*pieces, written[end:]])


def _is_rewritten(time: bytes, data_set: bytes) -> bool:
    """Whether Exiv2 made this field of `time`: its hours, minutes and seconds are the same."""
    digits = time.replace(b":", b"")[:6]
    return len(time) in _TIME_BYTES and data_set[5:].startswith(digits) and data_set[5:] != time


def _data_sets(block: bytes) -> Iterator[_DataSet]:
    """Each data set, as Exiv2 finds them: what lies between is passed over. The last may end outside."""
    position = 0
    while position + _SMALLEST <= len(block):
        if block[position] != _MARKER:
            position += 1
            continue
        length, value = int.from_bytes(block[position + 3 : position + 5]), position + 5
        if length & _EXTENDED:
            length_bytes, value = length - _EXTENDED, value + length - _EXTENDED
            is_sound = length_bytes <= _MAX_LENGTH_BYTES and value <= len(block)
            length = int.from_bytes(block[position + 5 : value]) if is_sound else len(block)
        yield _DataSet((block[position + 1], block[position + 2]), position, value, value + length)
        position = value + length

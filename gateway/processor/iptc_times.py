"""Times of IPTC that say no zone: Exiv2 gives them UTC, which nobody had said, so they are put back. Pure."""

from collections.abc import Iterator
from typing import Final

_DataSetName = tuple[int, int]
_TIMES: Final[frozenset[_DataSetName]] = frozenset({(1, 80), (2, 35), (2, 38), (2, 60), (2, 63)})
"""IPTC-IIM 4.2: sent, release, expiration, created, digitised. HHMMSS and a zone, which some programs leave out."""


def with_times_of(original: bytes, written: bytes) -> bytes:
    """The IPTC `written`, with the times as `original` has them."""
    times: dict[_DataSetName, list[bytes]] = {}
    for name, data_set in _data_sets(original):
        if name in _TIMES:
            times.setdefault(name, []).insert(0, data_set)
    there = list(_data_sets(written))
    restored = [times[name].pop() if times.get(name) else data_set for name, data_set in there]
    rest = written[sum(len(data_set) for _, data_set in there) :]
    return b"".join([*restored, rest])


def _data_sets(block: bytes) -> Iterator[tuple[_DataSetName, bytes]]:
    """Each data set whole: 0x1C, record, number, 2 bytes of size, value; up to what is damaged or oversized."""
    position = 0
    while block[position : position + 1] == b"\x1c" and position + 5 <= len(block):
        end = position + 5 + int.from_bytes(block[position + 3 : position + 5])
        if end > len(block):
            return
        yield (block[position + 1], block[position + 2]), block[position:end]
        position = end

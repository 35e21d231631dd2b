"""The words of IPTC records (IIM 4.2): Headline, Caption-Abstract, Keywords, Writer-Editor.

In a JPEG they lie in one of Photoshop's image resources (`8BIM` blocks, number 0x0404). Text is UTF-8 where the
envelope declares it; else it is taken for what it looks like. Broken data gives what was readable before the break.
"""

from collections.abc import Iterator
from itertools import islice

from gateway.images.embedded.characters import decoded
from gateway.metadata import Metadata

_IPTC_RESOURCE = 0x0404
_CHARACTER_SET = (1, 90)
_KEYWORDS, _HEADLINE, _CAPTION, _WRITER = (2, 25), (2, 105), (2, 120), (2, 122)
_UTF8 = b"\x1b%G"

MAX_PARTS = 2000
"""Resources, or data sets, that are looked at; each costs a step in Python."""


def read_iptc(resources: bytes) -> Metadata:
    """What Photoshop's image resources, or bare IPTC records, say; empty when they say nothing."""
    values: dict[tuple[int, int], list[bytes]] = {}
    for data_set, value in islice(_data_sets(_iptc_records(resources)), MAX_PARTS):
        values.setdefault(data_set, []).append(value)
    is_utf8 = values.get(_CHARACTER_SET, [b""])[0] == _UTF8

    def texts(data_set: tuple[int, int]) -> list[str]:
        found = values.get(data_set, [])
        return [value.decode("utf-8", "ignore") if is_utf8 else decoded(value) for value in found]

    def text(data_set: tuple[int, int]) -> str:
        return next(iter(texts(data_set)), "")

    return Metadata(
        title=text(_HEADLINE),
        description=text(_CAPTION),
        keywords=tuple(texts(_KEYWORDS)),
        writer=text(_WRITER),
    )


def _iptc_records(resources: bytes) -> bytes:
    """The first IPTC resource. A block: `8BIM`, number, name (a Pascal string), size, data, both padded to even."""
    position = 0
    for _ in range(MAX_PARTS):
        if resources[position : position + 4] != b"8BIM":
            break
        number = int.from_bytes(resources[position + 4 : position + 6])
        name_length = resources[position + 6] if position + 6 < len(resources) else 0
        position += 6 + _even(1 + name_length)
        size = int.from_bytes(resources[position : position + 4])
        position += 4
        if number == _IPTC_RESOURCE:
            return resources[position : position + size]
        position += _even(size)
    return b"" if position else resources


def _data_sets(records: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Each data set: 0x1C, record, number, 2 bytes of size; a size from 0x8000 on says how many bytes the size has."""
    position = 0
    while records[position : position + 1] == b"\x1c" and position + 5 <= len(records):
        record, number = records[position + 1 : position + 3]
        size = int.from_bytes(records[position + 3 : position + 5])
        position += 5
        if size & 0x8000:
            size_bytes = size & 0x7FFF
            size = int.from_bytes(records[position : position + min(size_bytes, 8)])
            position += size_bytes
        if position + size > len(records):
            return
        yield (record, number), records[position : position + size]
        position += size


def _even(size: int) -> int:
    return size + size % 2

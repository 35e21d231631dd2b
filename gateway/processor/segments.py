"""The segments of a JPEG before its image data: what stands where, and the little that Exiv2 leaves to do there.

Exiv2 gives UTC as zone to each IPTC time that has none, which nobody had said: such times are put back as they were.
Pure; ITU T.81 annex B rules segments, Adobe's "Photoshop File Formats" the resources.
"""

import struct
from collections.abc import Iterator

JPEG_START = b"\xff\xd8"
SEGMENT_HEAD_BYTES = 4  # marker and length
START_OF_SCAN = 0xDA
APP0, APP1, APP13 = 0xE0, 0xE1, 0xED
PHOTOSHOP = b"Photoshop 3.0\0"
IPTC_BLOCK = 0x0404
MAX_SEGMENT_LENGTH = 0xFFFF

DataSetName = tuple[int, int]
IPTC_TIMES: frozenset[DataSetName] = frozenset({(1, 80), (2, 35), (2, 38), (2, 60), (2, 63)})
"""IPTC-IIM 4.2: sent, release, expiration, created, digitised. HHMMSS and a zone, which some programs leave out."""


def with_times_of(original: bytes, tagged: bytes) -> bytes:
    """`tagged` with the IPTC times as `original` has them. All else, and a PNG, stays as it is."""
    there, here = _photoshop_resources(original), _photoshop_resources(tagged)
    if IPTC_BLOCK not in there or IPTC_BLOCK not in here:
        return tagged
    times: dict[DataSetName, list[bytes]] = {}
    for name, data_set in _data_sets(original[slice(*there[IPTC_BLOCK])]):
        if name in IPTC_TIMES:
            times.setdefault(name, []).insert(0, data_set)
    block = tagged[slice(*here[IPTC_BLOCK])]
    restored = [times[name].pop() if times.get(name) else old for name, old in _data_sets(block)]
    rest = block[sum(len(old) for _, old in _data_sets(block)) :]
    return _with_resource(tagged, *here[IPTC_BLOCK], b"".join([*restored, rest]))


def jfif_density(jpeg: bytes) -> tuple[int, int, int] | None:
    """(x, y, unit) as JFIF says it: pixels per inch (unit 1) or centimetre (unit 2). None: not said."""
    for marker, start, _ in segments(jpeg):
        if marker == APP0 and jpeg.startswith(b"JFIF\0", start):
            if len(jpeg) < start + 12:
                return None
            unit, x, y = struct.unpack_from(">BHH", jpeg, start + 7)
            return (x, y, unit) if unit in {1, 2} and x and y else None
    return None


def segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of the content of each segment before the image data."""
    if not jpeg.startswith(JPEG_START):
        return
    position = len(JPEG_START)
    while position + SEGMENT_HEAD_BYTES <= len(jpeg) and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        if marker == 0xFF:  # padding
            position += 1
            continue
        if marker == START_OF_SCAN:
            return
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4])
        yield marker, position + SEGMENT_HEAD_BYTES, min(end, len(jpeg))
        position = end


def iptc_block(resources: bytes) -> bytes | None:
    """The IPTC among Photoshop's resources; None if it is not there."""
    found = {kind: (first, last) for kind, first, last in _resources(resources, 0, len(resources))}
    return resources[slice(*found[IPTC_BLOCK])] if IPTC_BLOCK in found else None


def _photoshop_resources(jpeg: bytes) -> dict[int, tuple[int, int]]:
    """Where the content of each kind of resource begins and ends."""
    return {
        kind: (first, last)
        for marker, start, end in segments(jpeg)
        if marker == APP13 and jpeg.startswith(PHOTOSHOP, start)
        for kind, first, last in _resources(jpeg, start + len(PHOTOSHOP), end)
    }


def _resources(jpeg: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(kind, start, end) of each resource: "8BIM", kind, Pascal string, length, content, padded to even."""
    while position + 12 <= end and jpeg.startswith(b"8BIM", position):
        kind = int.from_bytes(jpeg[position + 4 : position + 6])
        name_bytes = jpeg[position + 6] + 1
        start = position + 6 + name_bytes + name_bytes % 2 + 4
        length = int.from_bytes(jpeg[start - 4 : start])
        if start + length > end:
            return
        yield kind, start, start + length
        position = start + length + length % 2


def _data_sets(block: bytes) -> Iterator[tuple[DataSetName, bytes]]:
    """Each data set whole: 0x1C, record, number, 2 bytes of size, value; up to what is damaged or oversized."""
    position = 0
    while block[position : position + 1] == b"\x1c" and position + 5 <= len(block):
        end = position + 5 + int.from_bytes(block[position + 3 : position + 5])
        if end > len(block):
            return
        yield (block[position + 1], block[position + 2]), block[position:end]
        position = end


def _with_resource(jpeg: bytes, first: int, last: int, content: bytes) -> bytes:
    """`jpeg` with other content of the resource that lies there; as it was when its segment would be too long."""
    padded = content + b"\0" * (len(content) % 2)
    start, end = next((start, end) for _, start, end in segments(jpeg) if start <= first < end)
    after = min(last + (last - first) % 2, end)
    length = int.from_bytes(jpeg[start - 2 : start]) + len(padded) - (after - first)
    if content == jpeg[first:last] or length > MAX_SEGMENT_LENGTH:
        return jpeg
    head = jpeg[: start - 2] + length.to_bytes(2) + jpeg[start : first - 4]
    return head + len(content).to_bytes(4) + padded + jpeg[after:]

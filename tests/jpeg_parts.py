"""JPEGs put together from their parts, and what lies behind their end."""

import struct
from typing import Literal

SOI, END = b"\xff\xd8", b"\xff\xd9"
SCAN = b"\xff\xda\0\x08\1\1\0\0\x3f\0compressed\xff\0data"

ByteOrder = Literal["<", ">"]


def segment(marker: int, content: bytes) -> bytes:
    """A segment with this content, its length said."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def multi_picture_jpeg(*before: bytes, after: bytes = b"", byte_order: ByteOrder = "<") -> bytes:
    """A JPEG with these segments before and after its index (CIPA DC-007), and two more pictures behind its end."""
    others = [SOI + SCAN + b"second" + END, SOI + SCAN + b"third picture" + END]
    head = SOI + b"".join(before)
    length = len(head) + len(_index([(0, 0)] * 3, byte_order)) + len(after) + len(SCAN + END)
    header_at = len(head) + 8  # marker, length, "MPF\0"
    offset = length - header_at
    numbers = [(length, 0), (len(others[0]), offset), (len(others[1]), offset + len(others[0]))]
    return head + _index(numbers, byte_order) + after + SCAN + END + b"".join(others)


def _index(numbers: list[tuple[int, int]], order: ByteOrder) -> bytes:
    entries = b"".join(struct.pack(order + "IIIHH", 0x030000, size, offset, 0, 0) for size, offset in numbers)
    fields = [
        struct.pack(order + "HHI4s", 0xB000, 7, 4, b"0100"),
        struct.pack(order + "HHII", 0xB001, 4, 1, len(numbers)),
        struct.pack(order + "HHII", 0xB002, 7, len(entries), 8 + 2 + 3 * 12 + 4),
    ]
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(fields))
    return segment(0xE2, b"MPF\0" + header + b"".join(fields) + bytes(4) + entries)


def pictures_of(jpeg: bytes) -> list[bytes]:
    """The pictures that the index names, cut out by what it says."""
    header_at = jpeg.index(b"MPF\0") + 4
    order = "<" if jpeg.startswith(b"II", header_at) else ">"
    start = header_at + 8 + 2 + 3 * 12 + 4
    numbers = [struct.unpack_from(order + "II", jpeg, start + 16 * number + 4) for number in range(3)]
    return [
        jpeg[place : place + size]
        for size, offset in numbers
        for place in [header_at + offset if offset else 0]
    ]

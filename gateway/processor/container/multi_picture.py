"""The index of a multi-picture file: phones put a second picture, a depth map or a preview behind a JPEG's end.

It lies in a segment (APP2) of the first picture. It says how long that picture is, its metadata included, and how far
the others are from the index itself; so its numbers are wrong once metadata has grown. Pure; CIPA DC-007 rules it.
"""

import struct
from collections.abc import Iterator
from typing import Final, Literal

from attrs import frozen

from gateway.processor.container.parts import Part, parts

_MPF: Final = b"MPF\0"
_MARKER: Final = b"\xe2"
_ENTRIES_TAG: Final = 0xB002
_FIELD_BYTES: Final = 12
_ENTRY_BYTES: Final = 16
_NUMBERS_AT: Final = 4  # in an entry, behind its attributes: size and offset

ByteOrder = Literal["<", ">"]
_BYTE_ORDERS: Final[dict[bytes, ByteOrder]] = {b"II*\0": "<", b"MM\0*": ">"}


@frozen
class PictureIndex:
    """The bytes of its segment, where in them its header is, and where in the file: its offsets count from there."""

    segment: bytes
    header: int
    header_at: int

    def shifted(self, *, first: int, others: int) -> bytes:
        """The segment when the first picture is `first` bytes longer, and the others `others` bytes further off."""
        shifted = bytearray(self.segment)
        for order, position in self._numbers():
            size, offset = struct.unpack_from(order + "II", self.segment, position)
            if offset:
                offset += others
            elif size:
                size += first
            struct.pack_into(order + "II", shifted, position, size % 2**32, offset % 2**32)
        return bytes(shifted)

    def _numbers(self) -> Iterator[tuple[ByteOrder, int]]:
        """(byte order, position) of each picture's size and offset; none where the index is damaged."""
        order = _BYTE_ORDERS.get(self.segment[self.header : self.header + 4])
        if order is None:
            return
        start, count = self._entries(order)
        first = self.header + start
        for position in range(first, first + count - _ENTRY_BYTES + 1, _ENTRY_BYTES):
            if position + _ENTRY_BYTES > len(self.segment):
                return
            yield order, position + _NUMBERS_AT

    def _entries(self, order: ByteOrder) -> tuple[int, int]:
        """Where the entries begin, counted from the header, and how many bytes they say that they take."""
        try:
            (directory,) = struct.unpack_from(order + "I", self.segment, self.header + 4)
            (fields,) = struct.unpack_from(order + "H", self.segment, self.header + directory)
            for number in range(fields):
                position = self.header + directory + 2 + number * _FIELD_BYTES
                tag, _, count, start = struct.unpack_from(order + "HHII", self.segment, position)
                if tag == _ENTRIES_TAG:
                    return start, count
        except struct.error:
            pass  # it points out of its segment
        return 0, 0


def picture_index(image: bytes, part: Part) -> PictureIndex | None:
    """The index that this part of `image` is; None if it is none."""
    if part.kind != _MARKER or not image.startswith(_MPF, part.content):
        return None
    header_at = part.content + len(_MPF)
    return PictureIndex(image[part.start : part.end], header_at - part.start, header_at)


def with_current_index(before: bytes, after: bytes) -> bytes:
    """`after`, which is `before` with other metadata, with an index that points to the same pictures as before."""
    there, here = parts(before), parts(after)
    growth = here[-1].start - there[-1].start
    indexes = [index for part in there if (index := picture_index(before, part))]
    if not indexes:
        return after
    view = memoryview(after)
    pieces: list[bytes | memoryview] = []
    for part in here:
        new = picture_index(after, part)
        if new and indexes:
            old = indexes.pop(0)
            distance = (len(after) - new.header_at) - (len(before) - old.header_at)
            pieces.append(old.shifted(first=growth, others=distance))
        else:
            pieces.append(view[part.start : part.end])
    return b"".join(pieces)

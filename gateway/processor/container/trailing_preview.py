"""A preview behind a JPEG's end, which EXIF or a maker note says where to find: some cameras put a large one there.

The offset counts from the start of the EXIF block, so it is wrong once metadata has grown. Which field of which maker
holds it need not be known: it is the one number in the block that is just the distance to that preview. Where there is
none, or several that could be it, nothing is changed. Pure.
"""

import struct
from typing import Final

from gateway.errors import ContentError
from gateway.images.byte_reader import ByteReader
from gateway.images.jpeg.walk import jpeg_extent
from gateway.images.limits import STRUCTURE_ALONE
from gateway.processor.container.parts import EXIF, Part, parts

_PREVIEW_START: Final = b"\xff\xd8\xff"
_BLOCK_AT: Final = len(b"Exif\0\0")
_ORDERS: Final = {b"II": "<", b"MM": ">"}


def with_current_offset(before: bytes, after: bytes) -> bytes:
    """`after`, which is `before` with other metadata, with EXIF that says where the preview is now."""
    there, here = _exif(before), _exif(after)
    from_end = _preview_from_end(before) if there and here else 0
    if not (there and here and from_end):
        return after
    old, new = (_offset(image, part, from_end) for image, part in ((before, there), (after, here)))
    found = before.count(old, there.content, there.end)
    place = after.find(old, here.content, here.end)
    if old == new or found != 1 or place < 0:
        return after
    return after[:place] + new + after[place + len(new) :]


def _exif(jpeg: bytes) -> Part | None:
    return next((part for part in parts(jpeg) if part.metadata == EXIF), None)


def _preview_from_end(jpeg: bytes) -> int:
    """How far the first picture behind the image's end is from the end of the file; 0 if there is none."""
    reader = ByteReader()
    reader.add(jpeg)
    try:
        for _ in jpeg_extent(reader, STRUCTURE_ALONE):
            return 0  # it goes on where the file ends
    except ContentError:
        return 0
    start = jpeg.find(_PREVIEW_START, len(jpeg) - reader.unread)
    return len(jpeg) - start if start >= 0 else 0


def _offset(jpeg: bytes, exif: Part, from_end: int) -> bytes:
    """From the start of the block, as the block's numbers are written."""
    block_at = exif.content + _BLOCK_AT
    order = _ORDERS.get(jpeg[block_at : block_at + 2], "<")
    return struct.pack(order + "I", len(jpeg) - from_end - block_at)

"""IHDR, the first chunk of a PNG: its size, and how many bytes its pixels have once unpacked.

W3C PNG (third edition), sections 7, 8 and 11.2.1.
"""

import zlib
from struct import unpack
from typing import Final

from attrs import frozen

from gateway.images.refusals import damaged

HEADER_CHUNK_BYTES: Final = 25
"""Length, type, 13 bytes, checksum."""
MAX_SIDE: Final = 2**31 - 1

_DEPTHS_BY_COLOUR_TYPE: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_SAMPLES_BY_COLOUR_TYPE: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_WHOLE: Final = ((0, 0, 1, 1),)
_ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""Each pass: its first column and row, and how far apart its columns and rows are."""


@frozen
class PngHeader:
    width: int
    height: int
    bits_per_pixel: int
    is_interlaced: bool

    def unpacked_bytes(self, width: int, height: int) -> int:
        """What the pixels of a frame of that size have, with the byte before each row that names its filter."""
        passes = _ADAM7 if self.is_interlaced else _WHOLE
        return sum(
            -(-(height - top) // down) * self._row_bytes(-(-(width - left) // right))
            for left, top, right, down in passes
            if width > left and height > top
        )

    def _row_bytes(self, pixels: int) -> int:
        return 1 + -(-pixels * self.bits_per_pixel // 8)


def png_header(chunk: bytes) -> PngHeader:
    """What the whole chunk says. Raises ContentError (`damaged`)."""
    width, height, depth, colour_type, compression, filtering, interlace, checksum = unpack(
        ">IIBBBBBI", chunk[8:]
    )
    if (
        not chunk.startswith(b"\0\0\0\rIHDR")
        or zlib.crc32(chunk[4:21]) != checksum
        or depth not in _DEPTHS_BY_COLOUR_TYPE.get(colour_type, ())
        or interlace not in (0, 1)
        or compression
        or filtering
        or max(width, height) > MAX_SIDE
    ):
        raise damaged("its PNG header is wrong")
    return PngHeader(width, height, depth * _SAMPLES_BY_COLOUR_TYPE[colour_type], bool(interlace))

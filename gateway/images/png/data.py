"""The image data of a PNG, unpacked to see how large it is: counted and forgotten piece by piece.

It must be exactly as large as the header says. Of 7000 files of Debian's packages, of Pillow's and of Go's tests, all
that any decoder shows are; some have a few bytes behind the end of the compressed data.
"""

import zlib
from typing import Final, Protocol

from gateway.images.limits import ImageLimits
from gateway.images.refusals import damaged, decompression_bomb, trailing_data

PACKED_BYTES: Final = 16 * 1024
"""How much is unpacked at a time. It may grow to a thousand times as much."""
_UNPACKED_BYTES: Final = 64 * 1024
"""How much of it is held."""


class ImageData(Protocol):
    """The compressed data of one frame."""

    def add(self, packed: bytes) -> None:
        """Take the next bytes, PACKED_BYTES at most. Raises ContentError."""

    def end(self) -> None:
        """That was all. Raises ContentError."""


class UnreadData:
    """Image data that nobody looks at."""

    def add(self, packed: bytes) -> None:
        pass

    def end(self) -> None:
        pass


class CountedData:
    """Image data that must unpack to `size` bytes, and end there."""

    def __init__(self, size: int, limits: ImageLimits) -> None:
        self._missing = size
        self._limits = limits
        self._stream = zlib.decompressobj()
        self._behind_end = 0

    def add(self, packed: bytes) -> None:
        """Raises ContentError (`damaged`, `decompression_bomb`, `trailing_data`)."""
        if not self._has_ended:
            packed = self._unpack_all(packed)
        self._behind_end += len(packed)
        if self._behind_end > self._limits.max_trailing_bytes:
            raise trailing_data(self._limits)

    def end(self) -> None:
        """Raises ContentError (`damaged`, `decompression_bomb`)."""
        if not self._has_ended:
            self._unpack(b"")  # what it held back, some kilobytes
        if not self._has_ended:
            raise damaged("its compressed image data ends too early")
        if self._missing:
            raise damaged("its image data is smaller than its header says")

    @property
    def _has_ended(self) -> bool:
        return self._stream.eof

    def _unpack_all(self, packed: bytes) -> bytes:
        """What of it stands behind the end of the compressed data."""
        while packed and not self._has_ended:
            self._unpack(packed)
            packed = self._stream.unconsumed_tail
        return self._stream.unused_data

    def _unpack(self, packed: bytes) -> None:
        try:
            unpacked = self._stream.decompress(packed, _UNPACKED_BYTES)
        except zlib.error:
            raise damaged("its compressed image data is broken") from None
        self._missing -= len(unpacked)
        if self._missing < 0:
            raise decompression_bomb("its image data is larger than its header says")


def image_data(size: int, limits: ImageLimits) -> ImageData:
    return CountedData(size, limits) if limits.is_thorough else UnreadData()

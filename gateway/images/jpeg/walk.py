"""The structure of JPEG files, walked while the bytes arrive.

Nothing is decoded: segments are skipped by their length, entropy-coded data is searched in bulk for the next marker.
ITU-T T.81, annex B.
"""

import re
from struct import unpack
from typing import Final

from attrs import define

from gateway.images.byte_reader import ByteReader, Steps
from gateway.images.extent import Extent, check_pixels
from gateway.images.jpeg.frame import ENOUGH_BYTES, FRAME_HEADERS, check_decodable, frame_size
from gateway.images.jpeg.multi_picture import INDEX_BYTES, pictures_said
from gateway.images.limits import ImageLimits
from gateway.images.refusals import damaged, decompression_bomb, too_many_frames, too_much_metadata

MAX_SEGMENTS: Final = 1000
"""Before the scans, and between them; each costs a step in Python, of 1 or 2 microseconds. Real files have some tens;
large profiles and extended XMP make that hundreds.
"""
MAX_SCANS: Final = 100
"""Progressive files have some tens of scans at most; each makes a decoder go over the whole picture once more."""

_SOI, _EOI, _SOS, _APP2 = 0xD8, 0xD9, 0xDA, 0xE2
_WITHOUT_SEGMENT: Final = frozenset(range(0xC0)) | frozenset(range(0xD0, 0xDA))

_MARKER_END: Final = re.compile(rb"[^\xff]")
"""A marker may begin with any number of 0xFF."""

_MARKER_IN_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""0xFF00 is a stuffed data byte, 0xFFD0 to 0xFFD7 are restart markers: both belong to the scan."""


def jpeg_extent(data: ByteReader, limits: ImageLimits) -> Steps[Extent]:
    """Walk a JPEG from its SOI to its EOI; a generator that never returns was cut off."""
    return (yield from _Walk(data, limits).whole())


@define
class _Walk:
    _data: ByteReader
    _limits: ImageLimits
    _pictures: int = 1
    _segment_bytes: int = 0

    def whole(self) -> Steps[Extent]:
        yield from self._data.skip(2)
        width, height = yield from self._header()
        yield from self._scans()
        return Extent(width, height, self._pictures)

    def _header(self) -> Steps[tuple[int, int]]:
        """From after SOI to the end of the first scan's header."""
        size: tuple[int, int] | None = None
        for _ in range(MAX_SEGMENTS):
            marker = yield from self._next_marker()
            length = yield from self._segment_length()
            if marker in FRAME_HEADERS:
                if size:
                    raise damaged("it has two JPEG frame headers")
                size = frame_size((yield from self._data.take(min(length, ENOUGH_BYTES))))
                check_pixels(*size, self._limits)
            elif marker == _APP2:
                yield from self._application_data(length)
            else:
                yield from self._data.skip(length)
            if marker == _SOS:
                if not size:
                    raise damaged("it has no JPEG frame header")
                return size
        raise damaged("it has too many JPEG segments")

    def _next_marker(self) -> Steps[int]:
        """The marker of the next segment before the first scan."""
        if (yield from self._data.take(1)) != b"\xff":
            raise damaged("the length of a JPEG segment is wrong")
        marker = yield from self._data.find(_MARKER_END)
        if marker == _EOI:
            raise damaged("it has no image data")
        if marker in _WITHOUT_SEGMENT:
            raise damaged("a JPEG marker stands in a wrong place")
        check_decodable(marker)
        return marker

    def _segment_length(self) -> Steps[int]:
        """Of the content that follows. All segments together are bounded: endless ones are no picture."""
        (length,) = unpack(">H", (yield from self._data.take(2)))
        if length < 2:
            raise damaged("the length of a JPEG segment is wrong")
        self._segment_bytes += length
        if self._segment_bytes > self._limits.max_metadata_bytes:
            raise too_much_metadata(self._limits)
        return int(length) - 2

    def _application_data(self, length: int) -> Steps[None]:
        index = yield from self._data.take(min(length, INDEX_BYTES))
        self._pictures = max(self._pictures, pictures_said(index))
        if self._pictures > self._limits.max_frames:
            raise too_many_frames(self._pictures, self._limits)
        yield from self._data.skip(length - len(index))

    def _scans(self) -> Steps[None]:
        """From the first entropy-coded byte to EOI; a progressive image has several scans and tables between."""
        scans = 1
        for _ in range(MAX_SEGMENTS):
            marker = yield from self._data.find(_MARKER_IN_SCAN)
            if marker == _EOI:
                return
            if marker == _SOI or marker in FRAME_HEADERS:
                raise damaged("another picture begins before its end")
            scans += marker == _SOS
            if scans > MAX_SCANS:
                raise decompression_bomb(f"it has more than {MAX_SCANS} scans")
            if marker not in _WITHOUT_SEGMENT:
                yield from self._data.skip((yield from self._segment_length()))
        raise damaged("it has too many JPEG segments")

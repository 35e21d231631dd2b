"""The outer structure of JPEG and PNG files, walked while the bytes arrive.

The walks are generators: each yields when it needs bytes that have not come yet, and returns (width, height)
once the image has ended; one that never returns was cut off. They raise ContentError (`damaged`,
`too_many_pixels`). Nothing is decoded: segments and chunks are skipped by their length, entropy-coded data is
searched in bulk for the next marker, and the checksums of a PNG's critical chunks are compared.

JPEG: ITU-T T.81, annex B. PNG: W3C PNG (third edition), sections 5 and 11.
"""

import re
import zlib
from collections.abc import Generator
from struct import unpack
from typing import TypeVar

from gateway.errors import ContentError

T = TypeVar("T")
Steps = Generator[None, None, T]

MAX_PARTS = 100_000
"""Marker segments or chunks in one image. Real ones have some thousands; each costs a step in Python."""


def damaged(why: str) -> ContentError:
    return ContentError(f"The image is damaged: {why}.", code="damaged")


class ByteReader:
    """The bytes that came and are not read yet; a read that needs more yields until they were added."""

    def __init__(self) -> None:
        self._held = b""
        self._position = 0

    def add(self, chunk: bytes) -> None:
        self._held = self.peek() + chunk
        self._position = 0

    def drop_read(self) -> None:
        """Let go of what was read: the last chunk may be large."""
        self._held = self.peek()
        self._position = 0

    def peek(self, count: int | None = None) -> bytes:
        """What is there of the next `count` bytes."""
        end = None if count is None else self._position + count
        return self._held[self._position : end]

    def take(self, count: int) -> Steps[bytes]:
        """The next `count` bytes, a few."""
        while len(self._held) - self._position < count:
            yield
        self._position += count
        return self._held[self._position - count : self._position]

    def skip(self, count: int) -> Steps[None]:
        """Pass over `count` bytes, which may be many."""
        while (here := len(self._held) - self._position) < count:
            count -= here
            self._position = len(self._held)
            yield
        self._position += count

    def checksum(self, count: int, checksum: int) -> Steps[int]:
        """Pass over `count` bytes; the CRC-32 of what came before (`checksum`) and of them."""
        while True:
            here = min(count, len(self._held) - self._position)
            checksum = zlib.crc32(memoryview(self._held)[self._position : self._position + here], checksum)
            self._position += here
            count -= here
            if not count:
                return checksum
            yield

    def find(self, pattern: re.Pattern[bytes]) -> Steps[int]:
        """Pass over all up to a match of `pattern` (at most 2 bytes), and over it; its last byte."""
        while not (match := pattern.search(self._held, self._position)):
            self._position = max(self._position, len(self._held) - 1)
            yield
        self._position = match.end()
        return self._held[self._position - 1]


def jpeg_size(data: ByteReader, max_pixels: int) -> Steps[tuple[int, int]]:
    """Walk a JPEG from its SOI to its EOI."""
    yield from data.skip(2)
    size = yield from _jpeg_header(data, max_pixels)
    yield from _jpeg_scans(data)
    return size


SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
WITHOUT_SEGMENT = frozenset(range(0xC0)) | frozenset(range(0xD0, 0xDA))

_MARKER_END = re.compile(rb"[^\xff]")
"""A marker may begin with any number of 0xFF."""

_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""0xFF00 is a stuffed data byte, 0xFFD0 to 0xFFD7 are restart markers: both belong to the scan."""


def _jpeg_header(data: ByteReader, max_pixels: int) -> Steps[tuple[int, int]]:
    """From after SOI to the end of the first scan's header."""
    size: tuple[int, int] | None = None
    for _ in range(MAX_PARTS):
        if (yield from data.take(1)) != b"\xff":
            raise damaged("the length of a JPEG segment is wrong")
        marker = yield from data.find(_MARKER_END)
        if marker in WITHOUT_SEGMENT:
            raise damaged(
                "it has no image data" if marker == EOI else "a JPEG marker stands in a wrong place"
            )
        length = yield from _jpeg_segment_length(data)
        if marker in FRAME_HEADERS:
            if size or length < 6:
                raise damaged("its JPEG frame header is wrong")
            size = yield from _jpeg_frame_size(data, max_pixels)
            length -= 5
        yield from data.skip(length)
        if marker == SOS:
            if not size:
                raise damaged("it has no JPEG frame header")
            return size
    raise damaged("it has too many JPEG segments")


def _jpeg_segment_length(data: ByteReader) -> Steps[int]:
    (length,) = unpack(">H", (yield from data.take(2)))
    if length < 2:
        raise damaged("the length of a JPEG segment is wrong")
    return int(length) - 2


def _jpeg_frame_size(data: ByteReader, max_pixels: int) -> Steps[tuple[int, int]]:
    _precision, height, width = unpack(">BHH", (yield from data.take(5)))
    return _allowed_size(width, height, max_pixels)


def _jpeg_scans(data: ByteReader) -> Steps[None]:
    """From the first entropy-coded byte to EOI; a progressive image has several scans and tables between."""
    for _ in range(MAX_PARTS):
        marker = yield from data.find(_MARKER_IN_SCAN)
        if marker == EOI:
            return
        if marker == SOI or marker in FRAME_HEADERS:
            raise damaged("another picture begins before its end")
        if marker not in WITHOUT_SEGMENT:
            length = yield from _jpeg_segment_length(data)
            yield from data.skip(length)
    raise damaged("it has too many JPEG segments")


MAX_CHUNK_BYTES = 2**31 - 1

_DEPTHS_BY_COLOUR_TYPE = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def png_size(data: ByteReader, max_pixels: int) -> Steps[tuple[int, int]]:
    """Walk a PNG from its signature to its IEND."""
    yield from data.skip(8)
    size = _png_header((yield from data.take(25)), max_pixels)
    has_data = False
    for _ in range(MAX_PARTS):
        length, kind = unpack(">I4s", (yield from data.take(8)))
        if length > MAX_CHUNK_BYTES or not kind.isalpha() or kind == b"IHDR":
            raise damaged("the length of a PNG chunk is wrong")
        yield from _png_chunk_content(data, kind, length)
        has_data = has_data or (kind == b"IDAT" and length > 0)
        if kind == b"IEND":
            if not has_data:
                raise damaged("it has no image data")
            return size
    raise damaged("it has too many PNG chunks")


def _png_chunk_content(data: ByteReader, kind: bytes, length: int) -> Steps[None]:
    """Pass over a chunk's content and its checksum, which must be right where the picture depends on it.

    An ancillary chunk (its type begins with a small letter) that is broken is passed over by decoders.
    """
    if kind[:1].islower():
        yield from data.skip(length + 4)
        return
    computed = yield from data.checksum(length, zlib.crc32(kind))
    (stored,) = unpack(">I", (yield from data.take(4)))
    if computed != stored:
        raise damaged("the checksum of a PNG chunk is wrong")


def _png_header(chunk: bytes, max_pixels: int) -> tuple[int, int]:
    """The size in IHDR, which is the first chunk: length, type, 13 bytes, checksum."""
    width, height, depth, colour_type, compression, filtering, interlace, checksum = unpack(
        ">IIBBBBBI", chunk[8:]
    )
    is_known = depth in _DEPTHS_BY_COLOUR_TYPE.get(colour_type, ()) and interlace in (0, 1)
    if (
        not chunk.startswith(b"\0\0\0\rIHDR")
        or zlib.crc32(chunk[4:21]) != checksum
        or not is_known
        or compression
        or filtering
        or max(width, height) > MAX_CHUNK_BYTES
    ):
        raise damaged("its PNG header is wrong")
    return _allowed_size(width, height, max_pixels)


def _allowed_size(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    if not width or not height:
        raise damaged("its width or height is 0")
    if width * height > max_pixels:
        text = f"The image has {width} x {height} pixels; at most {max_pixels} are taken."
        raise ContentError(text, code="too_many_pixels")
    return width, height

"""The structure of PNG files, walked while the bytes arrive.

The checksums of chunks that the picture depends on are compared, and its image data is unpacked to see how large it
is. W3C PNG (third edition), sections 5 and 11.
"""

import zlib
from struct import unpack
from typing import Final

from attrs import define, field

from gateway.images.byte_reader import ByteReader, Steps
from gateway.images.extent import Extent, check_pixels
from gateway.images.limits import ImageLimits
from gateway.images.png.animation import CONTROL_BYTES, SEQUENCE_BYTES, Animation
from gateway.images.png.data import PACKED_BYTES, ImageData, image_data
from gateway.images.png.header import HEADER_CHUNK_BYTES, MAX_SIDE, PngHeader, png_header
from gateway.images.refusals import damaged, too_much_metadata

_SIGNATURE_BYTES = 8
_MAX_CHUNK_BYTES = MAX_SIDE
"""The format's bound of both."""
MAX_CHUNKS: Final = 100_000
"""Each costs a step in Python. Real files have some thousands, if their encoder wrote small ones."""


def png_extent(data: ByteReader, limits: ImageLimits) -> Steps[Extent]:
    """Walk a PNG from its signature to its IEND; a generator that never returns was cut off."""
    yield from data.skip(_SIGNATURE_BYTES)
    header = png_header((yield from data.take(HEADER_CHUNK_BYTES)))
    check_pixels(header.width, header.height, limits)
    frames = yield from _Walk(data, limits, header).frames()
    return Extent(header.width, header.height, frames)


@define
class _ChunkHead:
    kind: bytes
    length: int

    @property
    def is_needed(self) -> bool:
        """Whether the picture depends on it; one that is not and is broken is passed over by decoders."""
        return self.kind[:1].isupper()


@define
class _Walk:
    """Through the chunks behind the header: those before the image data, the image data, those behind it."""

    _data: ByteReader
    _limits: ImageLimits
    _header: PngHeader
    _animation: Animation | None = None
    _chunks: int = field(init=False, default=0)
    _metadata_bytes: int = field(init=False, default=0)

    def frames(self) -> Steps[int]:
        """How many there are."""
        chunk = yield from self._before_picture()
        chunk = yield from self._picture(chunk)
        yield from self._behind_picture(chunk)
        return self._animation.frames if self._animation else 1

    def _before_picture(self) -> Steps[_ChunkHead]:
        while (chunk := (yield from self._next_chunk())).kind != b"IDAT":
            if chunk.kind == b"IEND":
                raise damaged("it has no image data")
            if chunk.kind == b"acTL" and not self._animation:
                control = yield from self._control(chunk)
                self._animation = Animation.announced(control, self._header, self._limits)
            elif chunk.kind == b"fcTL" and self._animation:
                self._animation.begin_with_picture((yield from self._control(chunk)))
            else:
                yield from self._other(chunk)
        return chunk

    def _picture(self, chunk: _ChunkHead) -> Steps[_ChunkHead]:
        """Through all IDAT, which stand together; the chunk behind them."""
        size = self._header.unpacked_bytes(self._header.width, self._header.height)
        pixels = image_data(size, self._limits)
        while chunk.kind == b"IDAT":
            yield from self._packed(chunk.length, zlib.crc32(chunk.kind), pixels)
            chunk = yield from self._next_chunk()
        pixels.end()
        return chunk

    def _behind_picture(self, chunk: _ChunkHead) -> Steps[None]:
        while chunk.kind != b"IEND":
            if chunk.kind == b"IDAT":
                raise damaged("its image data is in several places")
            if chunk.kind == b"fcTL" and self._animation:
                self._animation.begin_frame((yield from self._control(chunk)))
            elif chunk.kind == b"fdAT" and self._animation:
                yield from self._frame_data(chunk, self._animation)
            else:
                yield from self._other(chunk)
            chunk = yield from self._next_chunk()
        yield from self._other(chunk)
        if self._animation:
            self._animation.end()

    def _next_chunk(self) -> Steps[_ChunkHead]:
        length, kind = unpack(">I4s", (yield from self._data.take(8)))
        if length > _MAX_CHUNK_BYTES or not kind.isalpha() or kind == b"IHDR":
            raise damaged("the length of a PNG chunk is wrong")
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise damaged("it has too many PNG chunks")
        return _ChunkHead(kind, length)

    def _other(self, chunk: _ChunkHead) -> Steps[None]:
        """Pass over a chunk that is no image data, whose checksum must be right where the picture depends on it."""
        self._metadata_bytes += chunk.length
        if self._metadata_bytes > self._limits.max_metadata_bytes:
            raise too_much_metadata(self._limits)
        if chunk.is_needed:
            yield from self._compare((yield from self._data.checksum(chunk.length, zlib.crc32(chunk.kind))))
        else:
            yield from self._data.skip(chunk.length + 4)

    def _control(self, chunk: _ChunkHead) -> Steps[bytes]:
        if chunk.length != CONTROL_BYTES[chunk.kind]:
            raise damaged("its animation is broken")
        content = yield from self._data.take(chunk.length)
        yield from self._compare(zlib.crc32(chunk.kind + content))
        return content

    def _frame_data(self, chunk: _ChunkHead, animation: Animation) -> Steps[None]:
        if chunk.length < SEQUENCE_BYTES:
            raise damaged("its animation is broken")
        sequence = yield from self._data.take(SEQUENCE_BYTES)
        checksum = zlib.crc32(chunk.kind + sequence)
        yield from self._packed(chunk.length - SEQUENCE_BYTES, checksum, animation.data())

    def _packed(self, length: int, checksum: int, pixels: ImageData) -> Steps[None]:
        """Give compressed image data on, in pieces that do not depend on how it came."""
        while length:
            packed = yield from self._data.take(min(length, PACKED_BYTES))
            checksum = zlib.crc32(packed, checksum)
            pixels.add(packed)
            length -= len(packed)
        yield from self._compare(checksum)

    def _compare(self, checksum: int) -> Steps[None]:
        (stored,) = unpack(">I", (yield from self._data.take(4)))
        if checksum != stored:
            raise damaged("the checksum of a PNG chunk is wrong")

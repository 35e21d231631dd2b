"""PNGs put together from their chunks, animated ones too."""

import struct
import zlib
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
IEND: Final = b"\0\0\0\0IEND\xaeB`\x82"


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def ihdr(
    width: int = 48,
    height: int = 32,
    *,
    depth: int = 8,
    colour_type: int = 2,
    compression: int = 0,
    interlace: int = 0,
) -> bytes:
    return chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, compression, 0, interlace)
    )


def rows(width: int = 48, height: int = 32, *, bytes_per_pixel: int = 3) -> bytes:
    """Black pixels, each row with its filter."""
    return bytes(height * (1 + width * bytes_per_pixel))


def idat(pixels: bytes | None = None) -> bytes:
    """Image data that unpacks to these bytes: of 48 by 32 pixels if none are given."""
    return chunk(b"IDAT", zlib.compress(rows() if pixels is None else pixels))


def png(*before: bytes, header: bytes | None = None, data: bytes | None = None, behind: bytes = b"") -> bytes:
    """Chunks before the image data, and behind it."""
    head = SIGNATURE + (ihdr() if header is None else header) + b"".join(before)
    return head + (idat() if data is None else data) + behind + IEND


def actl(frames: int) -> bytes:
    return chunk(b"acTL", struct.pack(">II", frames, 0))


def fctl(width: int = 48, height: int = 32, *, left: int = 0, top: int = 0) -> bytes:
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, width, height, left, top, 1, 10, 0, 0))


def fdat(pixels: bytes | None = None) -> bytes:
    packed = zlib.compress(rows() if pixels is None else pixels)
    return chunk(b"fdAT", bytes(4) + packed)


def animation(*frames: bytes, said: int | None = None) -> bytes:
    """Its picture is the first frame; `frames` (fctl and fdat) are further ones."""
    number = 1 + sum(frame[4:8] == b"fcTL" for frame in frames)
    return png(actl(number if said is None else said), fctl(), behind=b"".join(frames))

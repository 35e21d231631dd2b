"""Metadata in and out of an image: all else of it stays, by construction.

A library that writes tags writes a whole new file, and Exiv2 changes more of it than tags: a comment is moved and gets
a final NUL, an ICC profile of a PNG is compressed anew, maker notes lose their offsets, and what lies behind a PNG's
end is lost. So it gets to see XMP and IPTC alone, around a picture of one pixel, and of what it wrote the metadata is
put into the original. Pure.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Final

from gateway.images.signatures import JPEG_SIGNATURE, PNG_SIGNATURE, ImageType, image_type
from gateway.processor.container.multi_picture import with_current_index
from gateway.processor.container.parts import (
    EXIF_KINDS,
    IPTC_AS_TEXT_KINDS,
    JFIF_MARKER,
    PHOTOSHOP,
    XMP_AS_TEXT_KINDS,
    XMP_CHUNK,
    XMP_SEGMENT,
    Part,
    parts,
)
from gateway.processor.container.trailing_preview import with_current_offset

MAX_SEGMENT_CONTENT: Final = 0xFFFF - 2
"""A segment's 16 bits count its length too."""

Pieces = Mapping[bytes, list[bytes]]
"""Segments or chunks by the kind of metadata that they are, in their order: several may make up one kind."""


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def segment(marker: int, content: bytes) -> bytes:
    """A segment of a JPEG; `content` has at most MAX_SEGMENT_CONTENT bytes."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


_PNG_HEAD: Final = PNG_SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
_PNG_PIXEL: Final = chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
_JPEG_HEAD: Final = JPEG_SIGNATURE[:2]
_JPEG_PIXEL: Final = (
    bytes.fromhex("ffc0000b080001000101011100")  # frame: one pixel, one component
    + bytes.fromhex("ffda0008010100003f00 3f ffd9")  # scan, and the end
)


def metadata_of(image: bytes) -> dict[bytes, list[bytes]]:
    """All metadata of `image`."""
    pieces: dict[bytes, list[bytes]] = {}
    for part in parts(image):
        if part.metadata:
            pieces.setdefault(part.metadata, []).append(image[part.start : part.end])
    return pieces


def xmp_and_iptc_alone(image: bytes) -> bytes:
    """A picture of one pixel, a JPEG or PNG as `image` is, with its XMP and IPTC and nothing else.

    Of several in a PNG it has the first, of XMP the first in its own kind of chunk: Exiv2 would drop the others.
    """
    there, is_png = metadata_of(image), image_type(image) is ImageType.PNG
    if is_png:
        xmp = next((kind for kind in there if kind in XMP_AS_TEXT_KINDS), b"")
        iptc = next((kind for kind in there if kind in IPTC_AS_TEXT_KINDS), b"")
        kinds = (XMP_CHUNK if XMP_CHUNK in there else xmp, iptc)
        pieces = [there[kind][0] for kind in kinds if kind]
    else:
        pieces = [piece for kind in (XMP_SEGMENT, PHOTOSHOP) for piece in there.get(kind, [])]
    head, pixel = (_PNG_HEAD, _PNG_PIXEL) if is_png else (_JPEG_HEAD, _JPEG_PIXEL)
    return head + b"".join(pieces) + pixel


def with_metadata(original: bytes, new: Pieces) -> bytes:
    """`original` with `new` in place of what it has of these kinds; an empty list takes a kind away.

    What is the same as before stays where it is. All else of `new` stands at the beginning, where readers look for it:
    EXIF comes first, next to the signature (and JFIF's segment), as its standard demands.
    """
    old = metadata_of(original)
    changed = {kind: pieces for kind, pieces in new.items() if pieces != old.get(kind, [])}
    kept = [part for part in parts(original) if part.metadata not in changed]
    place = _place_of_the_new(kept, is_png=image_type(original) is ImageType.PNG)
    added = [piece for kind in sorted(changed, key=_after_exif) for piece in changed[kind]]
    view = memoryview(original)
    pieces = [view[part.start : part.end] for part in kept]
    grafted = b"".join([*pieces[:place], *added, *pieces[place:]])
    return with_current_offset(original, with_current_index(original, grafted))


def _after_exif(kind: bytes) -> bool:
    return kind not in EXIF_KINDS


def _place_of_the_new(kept: list[Part], *, is_png: bool) -> int:
    """Behind the signature and IHDR, or behind the signature, JFIF and EXIF that has not changed."""
    if is_png:
        return 2
    place = 1
    while place < len(kept) and (kept[place].kind == JFIF_MARKER or kept[place].metadata in EXIF_KINDS):
        place += 1
    return place

"""Title and description in EXIF: XPTitle, which is Windows' own, and ImageDescription. It has no more of the words.

EXIF that can't be read, or has no room for them, stays as it is: the words stand in IPTC and XMP all the same. So does
EXIF as text, which ImageMagick once put into PNGs; it is read alone.
"""

import contextlib
import struct
from typing import Final

from attrs import evolve

from gateway.images.embedded.exif import read_exif
from gateway.images.signatures import ImageType, image_type
from gateway.metadata import Metadata
from gateway.processor.container.grafting import MAX_SEGMENT_CONTENT, Pieces, chunk, metadata_of, segment
from gateway.processor.container.parts import EXIF, EXIF_AS_TEXT_KINDS, EXIF_CHUNK, JFIF_MARKER, parts
from gateway.processor.container.png_text import raw_profile, text
from gateway.processor.standards.exif_block import ExifUnreadable, new_block, with_texts
from gateway.processor.words.policy import Changes

_APP1: Final = 0xE1
_SEGMENT_START: Final = b"Exif\0\0"
_MAX_BLOCK_BYTES: Final = MAX_SEGMENT_CONTENT - len(_SEGMENT_START)
_RESOLUTION: Final = (72, 72, 1)
"""What is said where none is known: EXIF 2.32, 4.6.8."""


def read(image: bytes) -> Metadata:
    """Its words."""
    words = read_exif(_block(image) or _as_text(image))
    return evolve(words, title=words.title.strip(), description=words.description.strip())


def changed(image: bytes, changes: Changes) -> Pieces:
    """The EXIF of `image` with `changes`; nothing if it says so already, or stays as it is."""
    words, changes = read(image), Changes(changes.title, changes.description)
    if changes.applied_to(words) == words:
        return {}
    try:
        block = _with_texts(image, changes.title or "", changes.description or "")
    except ExifUnreadable:
        return {}
    if image_type(image) is ImageType.PNG:
        written = {} if _has_exif_as_text(image) else {EXIF_CHUNK: chunk(EXIF_CHUNK, block)}
    else:
        written = {} if len(block) > _MAX_BLOCK_BYTES else {EXIF: segment(_APP1, _SEGMENT_START + block)}
    there = metadata_of(image)
    return {kind: [piece, *there.get(kind, [])[1:]] for kind, piece in written.items()}


def _with_texts(image: bytes, title: str, description: str) -> bytes:
    block = _block(image)
    if block is not None:
        return with_texts(block, title=title, description=description)
    density = (_jfif_density(image) or _RESOLUTION) if image_type(image) is ImageType.JPEG else None
    return new_block(density, title=title, description=description)


def _jfif_density(jpeg: bytes) -> tuple[int, int, int] | None:
    """(x, y, unit) as JFIF says it: pixels per inch (unit 1) or centimetre (unit 2). None: not said."""
    for part in parts(jpeg):
        if part.kind == JFIF_MARKER and jpeg.startswith(b"JFIF\0", part.content):
            if part.end < part.content + 12:
                return None
            unit, x, y = struct.unpack_from(">BHH", jpeg, part.content + 7)
            return (x, y, unit) if unit in {1, 2} and x and y else None
    return None


def _block(image: bytes) -> bytes | None:
    """The first one; None if there is none."""
    for part in parts(image):
        if part.metadata == EXIF:
            return image[part.content + len(_SEGMENT_START) : part.end]
        if part.metadata == EXIF_CHUNK:
            return image[part.content : part.end - 4].removeprefix(_SEGMENT_START)
    return None


def _as_text(png: bytes) -> bytes:
    """The block that stands as text in a PNG; empty if there is none that can be read."""
    for part in parts(png):
        if part.metadata in EXIF_AS_TEXT_KINDS:
            with contextlib.suppress(ValueError):
                return raw_profile(text(png, part)).removeprefix(_SEGMENT_START)
    return b""


def _has_exif_as_text(image: bytes) -> bool:
    return not EXIF_AS_TEXT_KINDS.isdisjoint(metadata_of(image))

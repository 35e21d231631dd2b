"""What an image file is made of, and which of it is metadata: the parts that a writer of tags may touch.

In a JPEG these are the segments of EXIF, XMP and Photoshop's resources (which hold IPTC), in a PNG the chunks of text,
of EXIF and of the time of the last change. Pure; ITU-T T.81 annex B rules segments, W3C PNG (third edition) section 5
chunks.
"""

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from gateway.images.signatures import JPEG_SIGNATURE, PNG_SIGNATURE, ImageType, image_type

JFIF_MARKER: Final = b"\xe0"
EXIF: Final = b"Exif\0"
EXIF_CHUNK: Final = b"eXIf"
XMP_SEGMENT: Final = b"http://ns.adobe.com/xap/1.0/\0"
PHOTOSHOP: Final = b"Photoshop 3.0\0"


def _as_text(*names: bytes) -> list[bytes]:
    """Kinds of text in a PNG that hold bytes as hexadecimal digits: ImageMagick's way, and everybody's for IPTC."""
    return [kind + b"Raw profile type " + name for kind in (b"tEXt", b"zTXt", b"iTXt") for name in names]


EXIF_KINDS: Final = frozenset({EXIF, EXIF_CHUNK})
XMP_CHUNK: Final = b"iTXtXML:com.adobe.xmp"
XMP_KINDS: Final = frozenset({XMP_SEGMENT, XMP_CHUNK})
XMP_AS_TEXT_KINDS: Final = frozenset(_as_text(b"xmp"))
IPTC_AS_TEXT_KINDS: Final = frozenset(_as_text(b"iptc"))
EXIF_AS_TEXT_KINDS: Final = frozenset(_as_text(b"exif", b"APP1"))

_METADATA_SEGMENTS: Final = {
    b"\xe1": (EXIF, XMP_SEGMENT, b"http://ns.adobe.com/xmp/extension/\0"),
    b"\xed": (PHOTOSHOP,),
}
_METADATA_CHUNKS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt", EXIF_CHUNK, b"tIME"})
_MAX_KEYWORD_BYTES: Final = 79
_CHUNK_FRAME_BYTES: Final = 12  # length, type, checksum

_SEGMENT_HEAD: Final = re.compile(rb"\xff+([\xc0-\xcf\xdb-\xfe])(..)", re.DOTALL)
"""Any number of fill bytes, the marker of a segment that stands before the scans, and its length."""


@frozen
class Part:
    """A segment, a chunk, or what is neither: all from the first scan of a JPEG on, or behind the end of a PNG."""

    start: int
    end: int
    kind: bytes = b""
    """Marker or chunk type."""
    content: int = 0
    """Where its content begins."""
    metadata: bytes = b""
    """Which kind of metadata it is; empty: it is none."""


def parts(image: bytes) -> list[Part]:
    """The parts one after the other: they cover `image` without a gap. Whatever it is, the last one is the rest."""
    match image_type(image):
        case ImageType.JPEG:
            found = [Part(0, len(JPEG_SIGNATURE) - 1), *_segments(image)]
        case ImageType.PNG:
            found = [Part(0, len(PNG_SIGNATURE)), *_chunks(image)]
        case None:
            found = [Part(0, 0)]
    return [*found, Part(found[-1].end, len(image))]


def _segments(jpeg: bytes) -> Iterator[Part]:
    """Each whole segment before the scans, with the fill bytes before it."""
    position = len(JPEG_SIGNATURE) - 1
    while head := _SEGMENT_HEAD.match(jpeg, position):
        end = head.start(2) + int.from_bytes(head[2])
        if end < head.end() or end > len(jpeg):
            return
        names = _METADATA_SEGMENTS.get(head[1], ())
        name = next((name for name in names if jpeg.startswith(name, head.end())), b"")
        yield Part(position, end, head[1], head.end(), name)
        position = end


def _chunks(png: bytes) -> Iterator[Part]:
    """Each whole chunk, up to IEND."""
    position, kind = len(PNG_SIGNATURE), b""
    while position + _CHUNK_FRAME_BYTES <= len(png) and kind != b"IEND":
        end = position + _CHUNK_FRAME_BYTES + int.from_bytes(png[position : position + 4])
        if end > len(png):
            return
        kind, content = png[position + 4 : position + 8], position + 8
        yield Part(
            position, end, kind, content, _chunk_metadata(kind, png[content : content + _MAX_KEYWORD_BYTES])
        )
        position = end


def _chunk_metadata(kind: bytes, head: bytes) -> bytes:
    """Its type, and what it is about where that is text."""
    if kind not in _METADATA_CHUNKS:
        return b""
    return kind + head.partition(b"\0")[0] if kind.endswith(b"Xt") else kind

"""The words that lie in an image: title, description, keywords and who wrote them, read from its first bytes.

XMP is asked first, then IPTC, then EXIF, for each field on its own. The bytes may be anybody's: whatever they are,
reading them ends soon, in bounded memory, with what could be read. Writing is the processor's. What stands after
a PNG's image data (exiftool puts XMP there) is found only in an image that is smaller than the head.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice

from attrs import define

from gateway.images.embedded.characters import cleaned
from gateway.images.embedded.exif import read_exif
from gateway.images.embedded.iptc import read_iptc
from gateway.images.embedded.xmp import read_xmp
from gateway.images.signatures import ImageType, image_type
from gateway.metadata import Metadata

HEAD_BYTES = 512 * 1024
"""How much of an image to read: EXIF and XMP take 64 KiB each in a JPEG at most, and both stand at its beginning."""

MAX_COMPRESSED_BYTES, MAX_EXPANDED_BYTES = 64 * 1024, 256 * 1024
"""How large compressed text in a PNG may be, and what it may grow to."""

MAX_PARTS = 1000
"""Segments or chunks that are looked at."""

MAX_TITLE_BYTES, MAX_DESCRIPTION_BYTES, MAX_WRITER_BYTES = 1000, 8000, 200
MAX_KEYWORDS, MAX_KEYWORD_BYTES, MAX_KEYWORDS_BYTES = 200, 200, 7000
"""What is kept of an image's words, in UTF-8: 16 kB at most, several times what photo software writes, for they are
kept in memory and travel in every status answer. What exceeds this is left out."""


def read_metadata(head: bytes) -> Metadata | None:
    """What the image says whose first bytes (HEAD_BYTES, or all if it is smaller) are `head`; None if nothing."""
    packets = _packets(head[:HEAD_BYTES])
    sources = (read_xmp(packets.xmp), read_iptc(packets.iptc), read_exif(packets.exif))
    found = [_bounded(source) for source in sources]
    metadata = Metadata(
        title=next((each.title for each in found if each.title), ""),
        description=next((each.description for each in found if each.description), ""),
        keywords=next((each.keywords for each in found if each.keywords), ()),
        writer=next((each.writer for each in found if each.writer), ""),
    )
    return None if metadata.is_empty else metadata


def _bounded(metadata: Metadata) -> Metadata:
    return Metadata(
        title=_shown(metadata.title, MAX_TITLE_BYTES),
        description=_shown(metadata.description, MAX_DESCRIPTION_BYTES),
        keywords=tuple(_bounded_keywords(metadata.keywords)),
        writer=_shown(metadata.writer, MAX_WRITER_BYTES),
    )


def _bounded_keywords(keywords: Iterable[str]) -> Iterator[str]:
    room = MAX_KEYWORDS_BYTES
    shown = (_shown(keyword, MAX_KEYWORD_BYTES) for keyword in islice(keywords, MAX_KEYWORDS))
    for keyword in filter(None, shown):
        room -= len(keyword.encode())
        if room < 0:
            return
        yield keyword


def _shown(text: str, max_bytes: int) -> str:
    """Fit to be shown, and cut between two characters."""
    return cleaned(text[:max_bytes]).encode()[:max_bytes].decode(errors="ignore").strip()


@define
class _Packets:
    """The first packet of each kind, as it lies in the file."""

    xmp: bytes = b""
    iptc: bytes = b""
    exif: bytes = b""


def _packets(head: bytes) -> _Packets:
    match image_type(head):
        case ImageType.JPEG:
            return _jpeg_packets(head)
        case ImageType.PNG:
            return _png_packets(head)
        case None:
            return _Packets()


_SEGMENT_START = re.compile(rb"\xff+([\xc0-\xcf\xdb-\xfe])(..)", re.DOTALL)
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF_SEGMENT = b"Exif\0\0"
_PHOTOSHOP_SEGMENT = b"Photoshop 3.0\0"


def _jpeg_packets(head: bytes) -> _Packets:
    packets = _Packets()
    resources: list[bytes] = []
    for marker, payload in islice(_jpeg_segments(head), MAX_PARTS):
        if marker == 0xE1 and payload.startswith(_XMP_SEGMENT):
            packets.xmp = packets.xmp or payload.removeprefix(_XMP_SEGMENT)
        elif marker == 0xE1 and payload.startswith(_EXIF_SEGMENT):
            packets.exif = packets.exif or payload.removeprefix(_EXIF_SEGMENT)
        elif marker == 0xED and payload.startswith(_PHOTOSHOP_SEGMENT):
            # Resources larger than a segment go on in the next one.
            resources.append(payload.removeprefix(_PHOTOSHOP_SEGMENT))
    packets.iptc = b"".join(resources)
    return packets


def _jpeg_segments(head: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each whole segment before the image data."""
    position = 2
    while match := _SEGMENT_START.match(head, position):
        marker, length = match[1][0], int.from_bytes(match[2])
        position = match.end() - 2 + length
        if length < 2 or position > len(head):
            return
        yield marker, head[match.end() : position]


_XMP_KEYWORD = b"XML:com.adobe.xmp"
_IPTC_KEYWORD = b"Raw profile type iptc"


def _png_packets(head: bytes) -> _Packets:
    first: dict[bytes, bytes] = {}
    for kind, content in islice(_png_chunks(head), MAX_PARTS):
        if kind == b"eXIf":
            first.setdefault(kind, content)
        elif kind in (b"iTXt", b"zTXt"):
            keyword, _, rest = content.partition(b"\0")
            first.setdefault(kind + keyword, rest)
    return _Packets(
        xmp=_international_text(first.get(b"iTXt" + _XMP_KEYWORD, b"")),
        iptc=_raw_profile(_expanded(first.get(b"zTXt" + _IPTC_KEYWORD, b"")[1:])),
        exif=first.get(b"eXIf", b""),
    )


def _png_chunks(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each whole chunk."""
    position = 8
    while position + 12 <= len(head):
        end = position + 12 + int.from_bytes(head[position : position + 4])
        if end > len(head):
            return
        yield head[position + 4 : position + 8], head[position + 8 : end - 4]
        position = end


def _international_text(rest: bytes) -> bytes:
    """The text of an iTXt chunk, from after its keyword: flag, method, language, translated keyword, text."""
    is_compressed = rest[:1] == b"\1"
    text = rest[2:].split(b"\0", 2)[-1]
    return _expanded(text) if is_compressed else text


def _raw_profile(text: bytes) -> bytes:
    """ImageMagick's way to put bytes into text: a line with the kind, one with the length, hexadecimal ones."""
    digits = b"".join(text.lstrip().split(b"\n", 2)[2:])
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""


def _expanded(data: bytes) -> bytes:
    """What zlib makes of `data`; nothing when that is broken or either is too large."""
    if len(data) > MAX_COMPRESSED_BYTES:
        return b""
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, MAX_EXPANDED_BYTES)
    except zlib.error:
        return b""
    return text if stream.eof else b""

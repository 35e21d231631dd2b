"""The words that lie in an image: whatever its bytes are, nothing is raised, and what is kept is bounded text. A
title is found whatever stands before it."""

from typing import Final

from gateway.images.embedded.metadata import (
    MAX_DESCRIPTION_BYTES,
    MAX_KEYWORD_BYTES,
    MAX_KEYWORDS,
    MAX_KEYWORDS_BYTES,
    MAX_TITLE_BYTES,
    MAX_WRITER_BYTES,
    read_metadata,
)
from gateway.metadata import Metadata
from tests.png_parts import chunk, png

WORDS: Final = (
    b"\xff\xd8\xff", b"\xff\xe1", b"\xff\xed", b"Exif\0\0II*\0\x08\0\0\0", b"Exif\0\0MM\0*\0\0\0\x08",
    b"\x0e\x01", b"\x9b\x9c", b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0", b"8BIM\x04\x04\0\0",
    b"\x1c\x02\x19", b"\x1c\x02\x69", b"\x1b%G", b"\x89PNG\r\n\x1a\n", b"iTXt", b"zTXt", b"eXIf",
    b"XML:com.adobe.xmp\0\0\0\0\0", b"Raw profile type iptc\0\0", b"<x:xmpmeta", b"<rdf:RDF",
    b"<rdf:Description", b"<dc:title>", b"<rdf:Alt>", b"<rdf:Bag>", b"<rdf:li>", b"</", b"<!", b"&",
    b'xmlns:dc="http://purl.org/dc/elements/1.1/"',
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"',
)  # fmt: skip
TITLED: Final = chunk(
    b"iTXt",
    b"XML:com.adobe.xmp\0\0\0\0\0"
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt>'
    b'<rdf:li xml:lang="x-default">Evening</rdf:li>'
    b"</rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta>",
)


def check(data: bytes) -> None:
    """As an image, and as a chunk of a right one."""
    check_bounds(read_metadata(data))
    titled = read_metadata(png(chunk(b"coMm", data), TITLED))
    assert titled is not None
    assert titled.title == "Evening"


def check_bounds(metadata: Metadata | None) -> None:
    if metadata is None:
        return
    assert not metadata.is_empty or metadata.writer
    assert len(metadata.title.encode()) <= MAX_TITLE_BYTES
    assert len(metadata.description.encode()) <= MAX_DESCRIPTION_BYTES
    assert len(metadata.writer.encode()) <= MAX_WRITER_BYTES
    sizes = [len(keyword.encode()) for keyword in metadata.keywords]
    assert len(sizes) <= MAX_KEYWORDS
    assert max(sizes, default=0) <= MAX_KEYWORD_BYTES
    assert sum(sizes) <= MAX_KEYWORDS_BYTES

"""What XMP says that it is about (rdf:about): Exiv2 drops it, and drones of DJI write one. Pure."""

import re
from typing import Final

from gateway.images.signatures import ImageType, image_type
from gateway.processor.grafting import MAX_SEGMENT_CONTENT, chunk, segment
from gateway.processor.parts import XMP_KINDS, Part, parts

_ABOUT: Final = re.compile(rb"""(?<![\w:.-])(?:rdf:)?about\s*=\s*["']([^"'&<]+)["']""")
"""RDF of before 2004 has it without a prefix."""
_NOTHING: Final = b'rdf:about=""'
_APP1: Final = 0xE1


def with_about_of(before: bytes, after: bytes) -> bytes:
    """`after`, which Exiv2 made of `before`, with what the XMP of that was about."""
    about = next(
        (found for part in _xmp_parts(before) for found in _ABOUT.findall(before, part.start, part.end)), b""
    )
    if not about:
        return after
    for part in reversed(_xmp_parts(after)):
        after = after[: part.start] + _about(after, part, about) + after[part.end :]
    return after


def _xmp_parts(image: bytes) -> list[Part]:
    return [part for part in parts(image) if part.metadata in XMP_KINDS]


def _about(image: bytes, part: Part, about: bytes) -> bytes:
    """The segment or chunk; as it was when it would be too long."""
    is_png = image_type(image) is ImageType.PNG
    content = image[part.content : part.end - (4 if is_png else 0)]
    content = content.replace(_NOTHING, _NOTHING[:-1] + about + b'"')
    if is_png:
        return chunk(part.kind, content)
    return segment(_APP1, content) if len(content) <= MAX_SEGMENT_CONTENT else image[part.start : part.end]

"""XMP as it lies in an image, and what Exiv2 changes of it unasked.

It drops what XMP says that it is about (rdf:about), which drones of DJI write; it puts a slash behind a namespace that
ends without one, as Adobe's and Microsoft's sometimes do. Both are put back. And it remembers: a namespace that one
image gives the prefix of a standard one, by an error or to do harm, stands in each later image of the same process.
That can be told, and mended. Pure.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import unescape

from gateway.images.signatures import ImageType, image_type
from gateway.processor.container.grafting import MAX_SEGMENT_CONTENT, chunk, segment
from gateway.processor.container.parts import XMP_AS_TEXT_KINDS, XMP_KINDS, XMP_SEGMENT, Part, parts
from gateway.processor.container.png_text import raw_profile, text

OURS: Final = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
}
"""Namespaces of the words, by prefix."""

_OF_EACH_PACKET: Final = frozenset({"adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"})
_RENAMED: Final = frozenset(
    f"http://ns.adobe.com/{name}/"
    for name in ("xap/1.0", "xap/1.0/mm", "xap/1.0/rights", "tiff/1.0", "exif/1.0")
)
"""Where properties go that had another name in early XMP: pdf:CreationDate is xmp:CreateDate."""

_NAMESPACE: Final = re.compile(rb"""xmlns:([\w.-]+)\s*=\s*["']([^"'<]+)["']""")
_WITH_SLASH: Final = re.compile(rb'(xmlns:[\w.-]+="([^"<]+))/"')
_ABOUT: Final = re.compile(rb"""(?<![\w:.-])(?:rdf:)?about\s*=\s*["']([^"'&<]+)["']""")
"""RDF of before 2004 has it without a prefix."""
_NOTHING: Final = b'rdf:about=""'
_DEFAULT: Final = "_dflt_"
"""The prefix that Exiv2 gives to the namespace that has none."""
_IN_NO_XML: Final = "\1"
"""Expat reads no further than a namespace with its separator in it."""
_APP1: Final = 0xE1


def with_packet_details_of(before: bytes, after: bytes) -> bytes:
    """`after`, which Exiv2 made of `before`, with what the XMP of that was about, and its namespaces as they were."""
    packets = list(_packets(before))
    about = next((found for packet in packets for found in _ABOUT.findall(packet)), b"")
    uris = {uri for packet in packets for _, uri in _NAMESPACE.findall(packet)}
    without_slash = {uri for uri in uris if not uri.endswith((b"/", b"#")) and uri + b"/" not in uris}
    if not (about or without_slash):
        return after
    for part in reversed([part for part in parts(after) if part.metadata in XMP_KINDS]):
        after = after[: part.start] + _mended(after, part, about, without_slash) + after[part.end :]
    return after


def declared(image: bytes) -> set[tuple[str, str]]:
    """(prefix, namespace) of each that the XMP of `image` declares.

    What only looks like one may be among them, for some packets are no XML.
    """
    found: set[tuple[str, str]] = set()
    for packet in _packets(image):
        found.update(_declarations(packet))
        for prefix, uri in _NAMESPACE.findall(packet):
            found.add((prefix.decode(errors="replace"), unescape(uri.decode(errors="replace"))))
    return found


def has_foreign_namespaces(before: bytes, after: bytes) -> bool:
    """Whether the XMP of `after`, which Exiv2 made of `before`, is in namespaces that are not those of `before`."""
    there = {*declared(before), *OURS.items()}
    known = {uri.removesuffix("/") for uri in (*(uri for _, uri in there), *_OF_EACH_PACKET, *_RENAMED)}

    def is_foreign(prefix: str, uri: str) -> bool:
        if prefix in OURS:
            return uri != OURS[prefix]
        if uri in OURS.values():
            return (prefix, uri) not in there
        return uri.removesuffix("/") not in known

    return any(is_foreign(prefix, uri) for packet in _packets(after) for prefix, uri in _declarations(packet))


def _packets(image: bytes) -> Iterator[bytes]:
    """Each as UTF-8 or, of UTF-16, what is ASCII. What can't be read is left out."""
    for part in parts(image):
        try:
            if part.metadata == XMP_SEGMENT:
                packet = image[part.content + len(XMP_SEGMENT) : part.end]
            elif part.metadata in XMP_AS_TEXT_KINDS:
                packet = raw_profile(text(image, part))
            elif part.metadata in XMP_KINDS:
                packet = text(image, part)
            else:
                continue
        except ValueError:
            continue
        yield packet.replace(b"\0", b"")


def _declarations(packet: bytes) -> list[tuple[str, str]]:
    """(prefix, namespace) of each in a packet, up to what is no XML: Exiv2 repeats some that is not."""
    found: list[tuple[str, str]] = []
    parser = expat.ParserCreate(encoding="utf-8", namespace_separator=_IN_NO_XML)
    parser.StartNamespaceDeclHandler = lambda prefix, uri: found.append((prefix or _DEFAULT, uri))
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(packet, True)
    return [(prefix, uri) for prefix, uri in found if uri]  # xmlns="" takes one back


def _mended(image: bytes, part: Part, about: bytes, without_slash: set[bytes]) -> bytes:
    """The segment or chunk; as it was when it would be too long."""
    is_png = image_type(image) is ImageType.PNG
    content = image[part.content : part.end - (4 if is_png else 0)]
    if about:
        content = content.replace(_NOTHING, _NOTHING[:-1] + about + b'"')
    content = _WITH_SLASH.sub(
        lambda found: found[1] + b'"' if found[2] in without_slash else found[0], content
    )
    if is_png:
        return chunk(part.kind, content)
    return segment(_APP1, content) if len(content) <= MAX_SEGMENT_CONTENT else image[part.start : part.end]

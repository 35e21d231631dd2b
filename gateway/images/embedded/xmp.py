"""The words of an XMP packet (ISO 16684-1): dc:title, dc:description, dc:subject, photoshop:CaptionWriter.

The packet comes from strangers. A document type, and with it every entity, is refused; any trouble with the XML
means that there is no XMP. A packet is UTF-8, whatever it declares. A simple property may stand as an element or as an
attribute of rdf:Description; the fields of dc are arrays, which are elements always.
"""

import re
from xml.parsers import expat

from gateway.metadata import Metadata

_DC = "http://purl.org/dc/elements/1.1/ "
_CAPTION_WRITER = "http://ns.adobe.com/photoshop/1.0/ CaptionWriter"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "
_DESCRIPTION, _ITEM = _RDF + "Description", _RDF + "li"
_LANGUAGE = "http://www.w3.org/XML/1998/namespace lang"
_FIELDS = frozenset({_DC + "title", _DC + "description", _DC + "subject", _CAPTION_WRITER})

MAX_PACKET_BYTES = 128 * 1024
"""A JPEG has room for half of it."""

_MAX_DEPTH = 100
"""Elements within elements; each open one costs memory, and real packets have a dozen."""

_MAX_ELEMENTS = 5000
"""Each costs a step in Python; the longest histories of edits have some thousands."""

_MAX_NAMESPACES = 200
_NAMESPACE = re.compile(rb"""xmlns(?::[^\s=]{1,64})?\s{0,8}=\s{0,8}(?:"[^"]{0,200}"|'[^']{0,200}')""")
"""Expat writes the namespace out in each name: a long one that many attributes share would fill the memory."""


def read_xmp(packet: bytes) -> Metadata:
    """What the packet says; empty when it says nothing, is not sound or too large."""
    if len(packet) > MAX_PACKET_BYTES or not _has_short_namespaces(packet):
        return Metadata()
    words = _Words()
    try:
        words.parse(packet.strip(b"\0\t\r\n "))
    except (expat.ExpatError, _Refused):
        return Metadata()
    return Metadata(
        title=words.in_default_language(_DC + "title"),
        description=words.in_default_language(_DC + "description"),
        keywords=tuple(words.all(_DC + "subject")),
        writer=words.in_default_language(_CAPTION_WRITER),
    )


def _has_short_namespaces(packet: bytes) -> bool:
    declared = packet.count(b"xmlns")
    return declared <= _MAX_NAMESPACES and declared == len(_NAMESPACE.findall(packet))


class _Refused(Exception):
    """XML that no XMP needs: it is there to do harm."""


class _Words:
    """The items of each field, with their languages, collected while the XML is read."""

    def __init__(self) -> None:
        self._items: dict[str, list[tuple[str, str]]] = {}
        self._field: str | None = None
        self._depth = 0
        self._elements = 0
        self._language = ""
        self._text: list[str] = []

    def parse(self, packet: bytes) -> None:
        parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse_document_type
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text_came
        parser.Parse(packet, True)

    def in_default_language(self, field: str) -> str:
        items = self._items.get(field, [])
        return next(
            (text for language, text in items if language == "x-default"), items[0][1] if items else ""
        )

    def all(self, field: str) -> list[str]:
        return [text for _, text in self._items.get(field, [])]

    def _refuse_document_type(self, *_declaration: object) -> None:
        raise _Refused

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise _Refused
        if name == _DESCRIPTION and _CAPTION_WRITER in attributes and self._field is None:
            self._items.setdefault(_CAPTION_WRITER, [("", attributes[_CAPTION_WRITER])])
        if name in _FIELDS and self._field is None and name not in self._items:
            self._field = name
            self._items[name] = []
        if name == _ITEM or name == self._field:
            self._language = attributes.get(_LANGUAGE, "").lower()
            self._text.clear()

    def _text_came(self, text: str) -> None:
        if self._field is not None:
            self._text.append(text)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._field is None:
            return
        # Some writers leave the list out: then the field's own text is its one item.
        if name == _ITEM or (name == self._field and not self._items[name]):
            self._items[self._field].append((self._language, "".join(self._text)))
        if name == self._field:
            self._field = None

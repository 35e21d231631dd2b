"""Title, description, keywords and writer in IPTC-IIM 4.2: Headline, Caption-Abstract, Keywords, Writer-Editor.

It is written as UTF-8 and says so; texts in other characters are converted with it. Where nobody can tell which these
are it stays as it is. Its lengths are bounds in bytes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from gateway.metadata import Metadata
from gateway.processor.standards.iptc_characters import DECLARED_LATIN_1, LATIN_1, as_text, character_set
from gateway.processor.words.lengths import (
    MAX_CAPTION_BYTES,
    MAX_HEADLINE_BYTES,
    MAX_KEYWORD_BYTES,
    MAX_WRITER_BYTES,
    cut,
)
from gateway.processor.words.policy import Changes
from gateway.processor.words.writer import is_analyzer

if TYPE_CHECKING:
    from pyexiv2 import ImageData

_TITLE: Final = "Iptc.Application2.Headline"
_DESCRIPTION: Final = "Iptc.Application2.Caption"
_KEYWORDS: Final = "Iptc.Application2.Keywords"
_WRITER: Final = "Iptc.Application2.Writer"
_VERSION: Final = "Iptc.Application2.RecordVersion"
_CHARACTER_SET: Final = "Iptc.Envelope.CharacterSet"
_CONTROLS: Final = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""XMP has blanks in their place: one keyword must not be two."""
_UNKNOWN: Final = ".0x"
"""In the name of a record or data set that Exiv2 does not know."""
_UTF_8: Final = "\x1b%G"  # ISO 2022; 1:90
_LATIN_1: Final = frozenset({"\x1b.A", "\x1b-A"})

Fields = dict[str, Any]


def read(opened: "ImageData") -> Metadata:
    """Its words; no keywords that nobody can read."""
    fields = _fields(opened)
    encoding = _encoding(opened, fields)
    words = _words(_texts(fields, encoding or LATIN_1))
    return words if encoding else evolve(words, keywords=())


def _words(texts: Mapping[str, Sequence[str]]) -> Metadata:
    def all_of(name: str) -> tuple[str, ...]:
        values = (_CONTROLS.sub(" ", text.replace("\0", "")).strip() for text in texts.get(name, ()))
        return tuple(value for value in values if value)

    def first(name: str) -> str:
        return next(iter(all_of(name)), "")

    persons = (writer for writer in all_of(_WRITER) if not is_analyzer(writer))
    writer = next(persons, first(_WRITER))  # there may be several
    return Metadata(first(_TITLE), first(_DESCRIPTION), all_of(_KEYWORDS), writer)


def write(opened: "ImageData", changes: Changes) -> None:
    """IPTC that gets nothing new is not touched."""
    fields = _fields(opened)
    encoding = _encoding(opened, fields)
    if encoding is None:
        return
    texts = _texts(fields, encoding)
    changes, there = _fitting(changes), _words(texts)
    if changes.applied_to(there) == there:
        return
    tags: Fields = {_CHARACTER_SET: _UTF_8}
    tags |= {name: values for name, values in texts.items() if not "".join(values).isascii()}
    if _VERSION not in fields:
        tags[_VERSION] = "4"
    if changes.title is not None:
        tags[_TITLE] = changes.title
    if changes.description is not None:
        tags[_DESCRIPTION] = changes.description
    if changes.keywords is not None:
        tags[_KEYWORDS] = list(changes.keywords)
    if changes.writer is not None:
        tags[_WRITER] = changes.writer or None
    opened.modify_iptc(tags)


def _fitting(changes: Changes) -> Changes:
    """Each text as far as there is room for it; keywords that begin alike become one."""
    cut_keywords = (cut(keyword, MAX_KEYWORD_BYTES) for keyword in changes.keywords or ())
    return Changes(
        changes.title and cut(changes.title, MAX_HEADLINE_BYTES),
        changes.description and cut(changes.description, MAX_CAPTION_BYTES),
        changes.keywords and tuple(dict.fromkeys(cut_keywords)),
        changes.writer and cut(changes.writer, MAX_WRITER_BYTES),
    )


def _fields(opened: "ImageData") -> Fields:
    fields: Fields = opened.read_iptc_detail("latin-1")  # which gives each byte as it stands
    return fields


def _texts(fields: Fields, encoding: str) -> dict[str, list[str]]:
    return {name: [as_text(value, encoding) for value in values] for name, values in _values(fields).items()}


def _values(fields: Fields) -> dict[str, list[bytes]]:
    """The bytes of each field that is known to hold text: others may be binary, whatever Exiv2 takes them for."""
    return {
        name: [text.encode("latin-1") for text in _as_list(field["value"])]
        for name, field in fields.items()
        if field["typeName"] == "String" and name != _CHARACTER_SET and _UNKNOWN not in name
    }


def _encoding(opened: "ImageData", fields: Fields) -> str | None:
    """Of what is not UTF-8; None: nobody can tell."""
    if fields.get(_CHARACTER_SET, {}).get("value") in _LATIN_1:
        return DECLARED_LATIN_1
    in_xmp = (text for value in opened.read_xmp().values() for text in _strings(value))
    return character_set((value for values in _values(fields).values() for value in values), in_xmp)


def _strings(value: object) -> Iterator[str]:
    """All texts of a field of XMP, which may have several, or one for each language."""
    match value:
        case str():
            yield value
        case list() | dict():
            yield from value.values() if isinstance(value, dict) else value


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value

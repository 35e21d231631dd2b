"""Title, description, keywords and writer in XMP: dc:title, dc:description, dc:subject, photoshop:CaptionWriter.

Titles and descriptions stand there by language. The default one is ours to write; the others are kept.
"""

import re
from typing import TYPE_CHECKING, Any, Final

from gateway.metadata import Metadata
from gateway.processor.words.policy import Changes

if TYPE_CHECKING:
    from pyexiv2 import ImageData

_TITLE: Final = "Xmp.dc.title"
_DESCRIPTION: Final = "Xmp.dc.description"
_KEYWORDS: Final = "Xmp.dc.subject"
_WRITER: Final = "Xmp.photoshop.CaptionWriter"
_DEFAULT: Final = 'lang="x-default"'

Fields = dict[str, Any]


def read(opened: "ImageData") -> Metadata:
    fields = opened.read_xmp()
    keywords = (keyword.replace("\0", "").strip() for keyword in _as_list(fields.get(_KEYWORDS, [])))
    return Metadata(
        _text(fields.get(_TITLE)),
        _text(fields.get(_DESCRIPTION)),
        tuple(keyword for keyword in keywords if keyword),
        _text(fields.get(_WRITER)),
    )


def write(opened: "ImageData", changes: Changes) -> None:
    """XMP that gets nothing new is not touched."""
    there = read(opened)
    if changes.applied_to(there) == there:
        return
    old = opened.read_xmp()
    tags: Fields = {}
    if changes.title is not None:
        tags[_TITLE] = _with_default(old.get(_TITLE), changes.title)
    if changes.description is not None:
        tags[_DESCRIPTION] = _with_default(old.get(_DESCRIPTION), changes.description)
    if changes.keywords is not None:
        tags[_KEYWORDS] = list(changes.keywords)
    if changes.writer is not None:
        tags[_WRITER] = changes.writer or None
    opened.modify_xmp(tags)
    opened.modify_raw_xmp(_with_subject_as_bag(opened.read_raw_xmp()))


def _text(value: object) -> str:
    """The one of several that is the default, else the first; some programs write it without languages."""
    if isinstance(value, dict):
        value = value.get(_DEFAULT) or next(iter(value.values()), "")
    if isinstance(value, list):
        value = next(iter(value), "")
    return value.strip() if isinstance(value, str) else ""


def _with_default(old: object, text: str) -> dict[str, str]:
    """A text by language: the default one first and new."""
    others = old if isinstance(old, dict) else {}
    return {_DEFAULT: text} | {language: other for language, other in others.items() if language != _DEFAULT}


def _with_subject_as_bag(packet: str) -> str:
    """pyexiv2 writes every array as an ordered one; dc:subject is unordered (XMP part 1, 8.3)."""
    return re.sub(
        r"(<dc:subject>\s*)<rdf:Seq>(.*?)</rdf:Seq>", r"\1<rdf:Bag>\2</rdf:Bag>", packet, flags=re.DOTALL
    )


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value

"""The words that an image has, out of three standards that may differ: XMP counts most, then IPTC, then EXIF. Pure.

IPTC has room for little, and some programs write it as Latin-1: what it has of a text that stands elsewhere as a whole
is not taken for another one. What a camera wrote by itself is no description.
"""

from collections.abc import Iterable, Iterator

from attrs import evolve, frozen

from gateway.metadata import Metadata
from gateway.processor.words.camera_texts import is_camera_text
from gateway.processor.words.lengths import (
    MAX_CAPTION_BYTES,
    MAX_HEADLINE_BYTES,
    MAX_KEYWORD_BYTES,
    forms_in_iptc,
)
from gateway.processor.words.texts import comparable, without_case
from gateway.processor.words.writer import writer_of_both


@frozen
class Found:
    """`words` are whole, and empty where there are none.

    A field agrees when it is the same wherever it stands. What an analyzer wrote does; if it no longer does, somebody
    has changed it since, with a program that knows one of the standards alone.
    """

    words: Metadata = Metadata()
    title_agrees: bool = True
    description_agrees: bool = True


def found(exif: Metadata, iptc: Metadata, xmp: Metadata) -> Found:
    """What the three say together."""
    exif, iptc, xmp = (_of_persons(words) for words in (exif, iptc, xmp))
    title, title_agrees = _text(xmp.title, iptc.title, exif.title, MAX_HEADLINE_BYTES)
    description, description_agrees = _text(
        xmp.description, iptc.description, exif.description, MAX_CAPTION_BYTES
    )
    keywords = (*xmp.keywords, *_in_iptc_alone(iptc.keywords, xmp.keywords))
    writer = writer_of_both(xmp.writer, iptc.writer)
    return Found(Metadata(title, description, keywords, writer), title_agrees, description_agrees)


def _of_persons(words: Metadata) -> Metadata:
    return evolve(words, description="") if is_camera_text(words.description) else words


def _text(xmp: str, iptc: str, exif: str, max_bytes_in_iptc: int) -> tuple[str, bool]:
    """The text that counts, whole, and whether the others agree."""
    whole = xmp or exif
    if not whole:
        return iptc, True
    iptc_agrees = not iptc or comparable(iptc) in forms_in_iptc(whole, max_bytes_in_iptc)
    exif_agrees = not exif or comparable(exif) == comparable(whole)
    counts = xmp or (exif if iptc_agrees else iptc)
    return counts, iptc_agrees and exif_agrees


def _in_iptc_alone(keywords: Iterable[str], in_xmp: Iterable[str]) -> Iterator[str]:
    known = {without_case(form) for keyword in in_xmp for form in forms_in_iptc(keyword, MAX_KEYWORD_BYTES)}
    for keyword in keywords:
        if without_case(keyword) not in known:
            known.add(without_case(keyword))
            yield keyword

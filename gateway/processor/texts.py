"""Text as it is written, and when two texts are the same although they differ in bytes. Pure."""

import re
import unicodedata
from typing import Final

from attrs import evolve

from gateway.metadata import Metadata

_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_END: Final = re.compile("\r\n?")
_TABS_AND_LINES: Final = re.compile("[\t\n\r]+")


def fit_to_write(words: Metadata) -> Metadata:
    """Such words as EXIF, IPTC and XMP all give back as they were written; the description alone has lines."""
    keywords = (_in_one_line(keyword) for keyword in words.keywords)
    return evolve(
        words,
        title=_in_one_line(words.title),
        description=_LINE_END.sub("\n", _printable(words.description)),
        keywords=tuple(keyword for keyword in keywords if keyword),
        writer=_in_one_line(words.writer),
    )


def _in_one_line(text: str) -> str:
    return _TABS_AND_LINES.sub(" ", _printable(text))


def _printable(text: str) -> str:
    """Without what XML 1.0 can't hold: control characters and lone surrogates."""
    return _NOT_IN_XML.sub("", text).strip()


def comparable(text: str) -> str:
    """The same for texts that differ in how accents are encoded, or in blanks and lines, alone."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def without_case(text: str) -> str:
    """The same for texts that differ in capitals too."""
    return comparable(comparable(text).casefold())

"""Text as it is written, and when two texts are the same although they differ in bytes. Pure."""

import re
import unicodedata
from typing import Final

from attrs import evolve

from gateway.metadata import Metadata
from gateway.processor.words.camera_texts import is_camera_text

_NO_TEXT: Final = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold or nobody can see: control characters, lone surrogates and what is no character."""
_LINE_END: Final = re.compile("\r\n?|\x85")
_TABS_AND_LINES: Final = re.compile("[\t\n]+")


def fit_to_write(words: Metadata) -> Metadata:
    """Such words as EXIF, IPTC and XMP all give back as they were written.

    The description alone has lines. What a camera says of each photo is no description from anybody else either.
    """
    description = _text(words.description)
    keywords = (_in_one_line(keyword) for keyword in words.keywords)
    return evolve(
        words,
        title=_in_one_line(words.title),
        description="" if is_camera_text(description) else description,
        keywords=tuple(keyword for keyword in keywords if keyword),
        writer=comparable(_text(words.writer)),
    )


def _in_one_line(text: str) -> str:
    return _TABS_AND_LINES.sub(" ", _text(text))


def _text(text: str) -> str:
    return _NO_TEXT.sub("", _LINE_END.sub("\n", text)).strip()


def comparable(text: str) -> str:
    """The same for texts that differ in how accents are encoded, or in blanks and lines, alone."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def without_case(text: str) -> str:
    """The same for texts that differ in capitals too."""
    return comparable(comparable(text).casefold())

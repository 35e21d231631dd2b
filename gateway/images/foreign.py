"""Files that are no images, by their signatures: archives, documents, programs, pages, films.

Some programs find such a file wherever in another one it begins: who sends an image with an archive behind it sends
both. Pure.
"""

import re
from collections.abc import Iterable
from typing import Final

from attrs import frozen

ZIP: Final = "a ZIP archive (or an office document)"
RAR, SEVEN_ZIP, TAR, XZ = "a RAR archive", "a 7z archive", "a tar archive", "xz-compressed data"
PDF, OFFICE, HTML, SCRIPT, PROGRAM = (
    "a PDF document",
    "an office document",
    "an HTML page",
    "a script",
    "a program",
)
TEXT, XML = "text", "an XML document"

SHORTEST_BYTES: Final = 6
"""Of what is to be told from noise."""

_BY_START: Final = (
    (b"%PDF-", PDF),
    (b"PK\3\4", ZIP),
    (b"PK\5\6", ZIP),
    (b"Rar!\x1a\x07", RAR),
    (b"7z\xbc\xaf\x27\x1c", SEVEN_ZIP),
    (b"\xfd7zXZ\0", XZ),
    (b"\x1f\x8b\x08", "gzip-compressed data"),
    (b"BZh", "bzip2-compressed data"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"\x04\x22\x4d\x18", "LZ4-compressed data"),
    (b"LZIP", "lzip-compressed data"),
    (b"MSCF", "a cabinet archive"),
    (b"!<arch>\n", "an archive (ar, or a Debian package)"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OFFICE),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript document"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x7fELF", PROGRAM),
    (b"MZ", PROGRAM),
    (b"\xcf\xfa\xed\xfe", PROGRAM),
    (b"\xce\xfa\xed\xfe", PROGRAM),
    (b"\xca\xfe\xba\xbe", PROGRAM),
    (b"\0asm", PROGRAM),
    (b"dex\n", PROGRAM),
    (b"#!", SCRIPT),
    (b"<?php", SCRIPT),
    (b"<?=", SCRIPT),
)
"""What can do harm to somebody who opens it."""

_MEDIA_AND_TEXT: Final = (
    (b"OggS", "an Ogg sound or film"),
    (b"ID3", "an MP3 sound"),
    (b"\xff\xfb", "an MP3 sound"),
    (b"fLaC", "a FLAC sound"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM film"),
    (b"\0\0\1\xba", "an MPEG film"),
    (b"FLV\1", "a Flash film"),
    (b"data:", "a data URI"),
    (b"/9j/", "a JPEG as base64 text"),
    (b"iVBORw0KGgo", "a PNG as base64 text"),
)

_RIFF_KINDS: Final = {b"AVI ": "an AVI film", b"WAVE": "a WAV sound"}

_HTML_STARTS: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<iframe", b"<!--")


def foreign_format(head: bytes) -> str | None:
    """What a file is that begins with `head` (16 bytes, if there are so many), if it is known and no image."""
    if head[4:8] == b"ftyp":
        return "an MP4 or QuickTime film"
    if head[:4] == b"RIFF":
        return _RIFF_KINDS.get(head[8:12])
    return _named(head, _MEDIA_AND_TEXT) or harmful_format(head) or _text_format(head)


def harmful_format(head: bytes) -> str | None:
    """As foreign_format; archives, documents, programs, pages and scripts alone."""
    return _named(head, _BY_START) or _markup_format(head)


def _named(head: bytes, formats: Iterable[tuple[bytes, str]]) -> str | None:
    return next((name for signature, name in formats if head.startswith(signature)), None)


def _markup_format(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_HTML_STARTS):
        return HTML
    return XML if text.startswith((b"<?xml", b"<svg", b"<!doctype", b"<rss")) else None


def _text_format(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return XML
    if text.startswith((b"{", b"[")):
        return "JSON"
    return TEXT if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return False
        text = head[: error.start].decode("utf-8")  # the head ends within a character
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)


_MARKS: Final = (
    # Records of a file, of the directory, and of its end: versions up to 6.3, one disk, as many files as on it.
    (
        re.compile(rb"PK(?:\x03\x04[\0-\x3f]\0|\x01\x02..[\0-\x3f]\0|\x05\x06\0\0\0\0(..)\1)", re.DOTALL),
        ZIP,
    ),
    (re.compile(rb"Rar!\x1a\x07"), RAR),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), SEVEN_ZIP),
    (re.compile(rb"\xfd7zXZ\0"), XZ),
    (re.compile(rb"ustar(?:\x0000|  \0)"), TAR),
    (re.compile(rb"%PDF-[12]\.[0-9]"), PDF),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), OFFICE),
    (re.compile(rb"\x7fELF[\x01\x02][\x01\x02]\x01"), PROGRAM),
    (re.compile(rb"This program cannot be run in DOS mode"), PROGRAM),
    (re.compile(rb"<(?:!doctype html|html|script)[\s>]", re.IGNORECASE), HTML),
    (re.compile(rb"<\?php\s"), SCRIPT),
)
"""Bytes that no other data has by chance, so that they tell a file wherever it begins. Each pattern begins with the
same bytes whatever it matches, which makes it quick."""

MARK_BYTES: Final = 38
"""The longest of the marks."""


@frozen
class Hidden:
    """A foreign file within other data: its mark ends at `end`."""

    end: int
    name: str


def hidden_file(data: bytes) -> Hidden | None:
    """The file whose mark ends first in `data`."""
    found = [Hidden(match.end(), name) for mark, name in _MARKS if (match := mark.search(data))]
    return min(found, key=lambda hidden: hidden.end, default=None)


_CLEAR_STARTS: Final = tuple(each for each in _BY_START if len(each[0]) > 2)
"""Those that are no length of a segment by chance."""


def disguised_format(rest: bytes, starts: Iterable[int]) -> str | None:
    """What `rest` is, which stands behind an image's first bytes and is not the rest of that image, if it can be told.

    It may begin with some more bytes of an image: then it is at one of `starts`.
    """
    if len(rest) < SHORTEST_BYTES:
        return None
    if hidden := hidden_file(rest):
        return hidden.name
    at_starts = (_named(rest[at:], _CLEAR_STARTS) or _markup_format(rest[at : at + 16]) for at in starts)
    return next(filter(None, at_starts), None) or foreign_format(rest[:16])

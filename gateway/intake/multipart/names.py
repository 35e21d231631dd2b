"""How a part of a multipart body names itself: the texts of its Content-Disposition, decoded.

The parser reads headers as Latin-1, which never fails; what is UTF-8 in truth, as RFC 7578 wants it, is told here.
"""

import re
from typing import Final
from urllib.parse import unquote

from attrs import frozen
from multipart import MultipartSegment

HEADER_CHARSET: Final = "latin-1"
OPTIONS: Final = "options"
"""The field of the part that holds them."""

# RFC 5987, behind parameters whose quoted values are passed over.
_EXTENDED_NAME: Final = re.compile(
    r"""(?:[^"]|"(?:\\.|[^\\"])*")*?;\s*filename\*\s*=\s*(utf-8|iso-8859-1)'[^']*'([^\s;"]*)""", re.IGNORECASE
)


@frozen
class PartNames:
    """The field that a part belongs to, and its file name: None where it isn't a file, empty where none was chosen."""

    field: str
    file: str | None


def names_of(part: MultipartSegment) -> PartNames:
    """The names of a part; of two file names the extended one (RFC 6266, section 4.3).

    Options that say that they are JSON are no file: a page can't give them a type but with a file name, `blob`.
    """
    field = _text_of(part.name or "")
    is_options = field == OPTIONS and part.content_type == "application/json"
    return PartNames(field, None if is_options else _file_name_of(part))


def _file_name_of(part: MultipartSegment) -> str | None:
    extended = _EXTENDED_NAME.match(part.header("Content-Disposition") or "")
    if extended:
        return unquote(extended[2], encoding=extended[1], errors="replace")
    return None if part.filename is None else _text_of(part.filename)


def _text_of(header: str) -> str:
    return decoded(header.encode(HEADER_CHARSET))


def decoded(text: bytes) -> str:
    """A text as UTF-8, or else as Latin-1."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode(HEADER_CHARSET)

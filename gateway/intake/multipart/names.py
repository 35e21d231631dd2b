"""How a part of a multipart body names itself: the texts of its Content-Disposition, decoded.

The parser reads headers as Latin-1, which never fails; what is UTF-8 in truth, as RFC 7578 wants it, is told here.
"""

import re
from typing import Final
from urllib.parse import unquote

from attrs import frozen
from multipart import MultipartSegment

HEADER_CHARSET: Final = "latin-1"

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
    """The names of a part; of two file names the extended one (RFC 6266, section 4.3)."""
    extended = _EXTENDED_NAME.match(part.header("Content-Disposition") or "")
    file: str | None
    if extended:
        file = unquote(extended[2], encoding=extended[1], errors="replace")
    else:
        file = None if part.filename is None else _text_of(part.filename)
    return PartNames(_text_of(part.name or ""), file)


def _text_of(header: str) -> str:
    return decoded(header.encode(HEADER_CHARSET))


def decoded(text: bytes) -> str:
    """A text as UTF-8, or else as Latin-1."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode(HEADER_CHARSET)

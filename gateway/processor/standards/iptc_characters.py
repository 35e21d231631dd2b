"""In which characters IPTC is written that does not say so: it is to be UTF-8 from now on, and may not be misread.

Programs of before UTF-8 wrote it as their system did. Which one that was the XMP tells where it has the same text; a
text that looks Western is taken for Windows' Latin-1; of any other nobody can tell, and it has to stay as it is. Pure.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

from gateway.images.embedded.characters import decoded

DECLARED_LATIN_1: Final = "latin-1"
LATIN_1: Final = "cp1252"
"""What of Windows goes by this name."""
_OTHERS: Final = (
    *("mac_roman", "cp1250", "cp1251", "mac_cyrillic", "koi8_r", "cp1253", "cp1254"),
    *("cp932", "gb18030", "big5", "euc_kr"),
)
_NOT_WESTERN: Final = re.compile(rb"[\x80-\xff]{3}|[A-Za-z][\x80-\x91\x93-\x9b\x9d-\x9f][a-z]")
"""Letters with accents in a row; or, within a word, what Latin-1 has few letters for (apostrophe and oe apart)."""


def character_set(texts: Iterable[bytes], known: Iterable[str]) -> str | None:
    """The encoding of those of `texts` that are not UTF-8, when `known` are texts of the same image; None: unknown."""
    unknown, known = [text for text in texts if not _is_utf_8(text)], sorted(known)
    found = {
        encoding: sum(_is_known(text, encoding, known) for text in unknown)
        for encoding in (LATIN_1, *_OTHERS)
    }
    best = max(found, key=lambda encoding: found[encoding])  # the first of several
    if found[best]:
        return best
    return None if any(map(_NOT_WESTERN.search, unknown)) else LATIN_1


def as_text(data: bytes, encoding: str) -> str:
    """UTF-8 if it is, unless something else was said, whatever the other texts are."""
    if encoding != DECLARED_LATIN_1 and _is_utf_8(data):
        return data.decode()
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return decoded(data)


def _is_utf_8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_known(text: bytes, encoding: str, known: Sequence[str]) -> bool:
    """Whether one of them, which are sorted, is this text or begins with it, for IPTC has room for little.

    An encoding that drops all but the ASCII of it has read nothing: an é at the end is half a character of Japanese.
    """
    beginning = text.decode(encoding, errors="ignore").strip()
    place = bisect_left(known, beginning)
    return not beginning.isascii() and place < len(known) and known[place].startswith(beginning)

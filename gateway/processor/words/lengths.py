"""The lengths of IPTC fields, in bytes, and what becomes of a text that is longer. Pure."""

import re
import unicodedata
from collections.abc import Set as AbstractSet
from typing import Final

from gateway.processor.words.texts import comparable

MAX_HEADLINE_BYTES: Final = 256
MAX_CAPTION_BYTES: Final = 2000
MAX_KEYWORD_BYTES: Final = 64
MAX_WRITER_BYTES: Final = 32
"""IPTC-IIM 4.2, sections 2:105, 2:120, 2:25, 2:122."""

_MAX_UNUSED_BYTES: Final = 4  # three of a character that needs four, and a blank before it
_JOINER: Final = "\u200d"
_JOINED: Final = re.compile("[\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
"""What belongs to the emoji before it: joiner, variation selectors, skin tones, tags of flags."""
_LETTERS_OF_FLAGS: Final = re.compile("[\U0001f1e6-\U0001f1ff]+\\Z")
"""Two make up the flag of a country."""


def cut(text: str, max_bytes: int) -> str:
    """At most `max_bytes` of UTF-8: never half a character, nor one without its accents, nor half an emoji."""
    fitting = text.encode()[:max_bytes].decode(errors="ignore")
    end = len(fitting)
    while 0 < end < len(text) and _parts_what_is_seen_as_one(text, end):
        end -= 1
    return (text[:end] or fitting).rstrip()  # of a character that is longer than all the room, what fits


def _parts_what_is_seen_as_one(text: str, end: int) -> bool:
    after = text[end]
    if text[end - 1] == _JOINER or unicodedata.category(after).startswith("M") or _JOINED.match(after):
        return True
    letters_before = _LETTERS_OF_FLAGS.search(text, 0, end)
    return bool(letters_before and len(letters_before[0]) % 2 and _LETTERS_OF_FLAGS.match(after))


def could_be_cut(text: str, max_bytes: int) -> bool:
    """Whether `text` is so long that it may be a part of a longer one, cut at a character."""
    return len(text.encode()) >= max_bytes - _MAX_UNUSED_BYTES


def forms_in_iptc(text: str, max_bytes: int) -> AbstractSet[str]:
    """What the IPTC of any program may have for `text`, made comparable.

    That is: all or the beginning, as UTF-8, or as Windows' Latin-1 with `?` for what that has not.
    """
    forms = (
        text,
        cut(text, max_bytes),
        text.encode()[:max_bytes].decode(errors="ignore"),
        text.encode("cp1252", errors="replace")[:max_bytes].decode("cp1252"),
    )
    return {comparable(form) for form in forms}

"""Text out of foreign bytes: whatever they are, it can be shown and sent."""

import re

_NOT_SHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]+")
"""Control characters (Unicode's category Cc) except those that end lines and the tab, and surrogates (Cs)."""


def decoded(data: bytes) -> str:
    """Text whose encoding nobody declared: UTF-8 if it is, else Windows Latin-1, as cameras and old programs do."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def cleaned(text: str) -> str:
    """Without control characters (except those that end lines) and without blanks around it."""
    return _NOT_SHOWN.sub("", text).strip()

"""Text out of foreign bytes: whatever they are, it can be shown and sent."""

import unicodedata

_LINE_CHARACTERS = "\t\n\r"


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
    if not text.isprintable():
        text = "".join(
            c for c in text if c in _LINE_CHARACTERS or unicodedata.category(c) not in ("Cc", "Cs")
        )
    return text.strip()

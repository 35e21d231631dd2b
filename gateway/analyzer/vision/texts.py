"""Text of a foreign hand, made fit to be shown, written into an image and logged. Pure."""

import unicodedata

_NOT_SHOWN = frozenset({"Cc", "Cs", "Co", "Cn"})
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u200b\u2060")
"""They are not seen, and turn or split what is."""


def shortened(text: str, most: int) -> str:
    """At most that many characters, cut between two words where there are any."""
    if len(text) <= most:
        return text
    cut = text[:most]
    whole = cut if text[most].isspace() else cut.rpartition(" ")[0]
    return (whole or cut).rstrip(" ,;:-\u2013")


def clean(text: str) -> str:
    """One line of what can be shown, in Unicode's composed form."""
    shown = (" " if character.isspace() else character for character in text if _is_kept(character))
    return " ".join(unicodedata.normalize("NFC", "".join(shown)).split())


def _is_kept(character: str) -> bool:
    if character in _DIRECTIONS:
        return False
    return character.isspace() or unicodedata.category(character) not in _NOT_SHOWN

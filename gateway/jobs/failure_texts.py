"""Errors of other services, made fit for clients: no line breaks, no paths of another machine, bounded."""

import re
from typing import Final

_MAX_CHARACTERS: Final = 300
_PATH = re.compile(r"(?<![\w/:.])/(?:[^\s/,;:'\"]+/)+[^\s,;:'\"]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def fit_for_clients(error: str) -> str:
    """The text on one line, absolute paths as `…`; never empty."""
    text = " ".join(_PATH.sub("…", _CONTROL.sub(" ", error)).split())
    if len(text) > _MAX_CHARACTERS:
        text = text[: _MAX_CHARACTERS - 1] + "…"
    return text or "the processor gave no reason"

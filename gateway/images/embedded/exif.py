"""Title and description of EXIF data (a TIFF structure): XPTitle, ImageDescription.

EXIF has no keywords that the contract names. Offsets that lead nowhere mean that there is no such tag.
"""

from typing import Literal

from gateway.images.embedded.characters import decoded
from gateway.metadata import Metadata

_IMAGE_DESCRIPTION, _XP_TITLE = 0x010E, 0x9C9B
_WANTED = frozenset({_IMAGE_DESCRIPTION, _XP_TITLE})
_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_ONE_BYTE_TYPES = frozenset({1, 2, 7, 129})
"""BYTE, ASCII, UNDEFINED, UTF-8."""

MAX_ENTRIES = 1000
"""Entries of a directory that are looked at; cameras write some dozens."""


def read_exif(tiff: bytes) -> Metadata:
    """What the first directory says; empty when it says nothing."""
    tags = _wanted_tags(tiff)
    title = tags.get(_XP_TITLE, b"")
    return Metadata(
        title=title.decode("utf-16-le", "ignore").split("\0")[0],
        description=decoded(tags.get(_IMAGE_DESCRIPTION, b"").split(b"\0")[0]),
    )


def _wanted_tags(tiff: bytes) -> dict[int, bytes]:
    """Those of the wanted tags in the first directory whose values are bytes."""
    order = _BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return {}

    def number(position: int, size: int) -> int:
        return int.from_bytes(tiff[position : position + size], order)

    tags: dict[int, bytes] = {}
    directory = number(4, 4)
    entries = min(number(directory, 2), MAX_ENTRIES)
    for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
        if entry + 12 > len(tiff):
            break
        tag = number(entry, 2)
        if tag not in _WANTED or tag in tags:
            continue
        size = number(entry + 4, 4)
        value = entry + 8 if size <= 4 else number(entry + 8, 4)
        if number(entry + 2, 2) in _ONE_BYTE_TYPES and value + size <= len(tiff):
            tags[tag] = tiff[value : value + size]
    return tags

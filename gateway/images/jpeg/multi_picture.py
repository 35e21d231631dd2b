"""How many pictures a JPEG says it has: the index of a multi-picture file (CIPA DC-007), in a segment of its first one.

The further pictures stand behind the first one's end, and are never looked at.
"""

from typing import Final, Literal

INDEX_BYTES: Final = 512
"""As much of the segment is looked at; the index's directory has four fields of 12 bytes, and comes first."""

_MARK: Final = b"MPF\0"
_ORDERS: Final[dict[bytes, Literal["little", "big"]]] = {b"II*\0": "little", b"MM\0*": "big"}
_NUMBER_OF_IMAGES: Final = 0xB001


def pictures_said(segment: bytes) -> int:
    """What the index says whose segment (an APP2) begins with `segment`; 1 if it is none, or says nothing."""
    tiff = segment.removeprefix(_MARK)
    order = _ORDERS.get(tiff[:4])
    if not order or not segment.startswith(_MARK):
        return 1

    def number(position: int, size: int) -> int:
        return int.from_bytes(tiff[position : position + size], order)

    directory = number(4, 4)
    for entry in range(directory + 2, min(directory + 2 + 12 * number(directory, 2), len(tiff)), 12):
        if number(entry, 2) == _NUMBER_OF_IMAGES:
            return max(number(entry + 8, 4), 1)
    return 1

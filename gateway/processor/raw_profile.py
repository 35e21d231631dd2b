"""IPTC in a PNG, which has no place for it: ImageMagick's way, as text in hexadecimal ("Raw profile type iptc").

Most programs put one of Photoshop's resources there. Exiv2 looks for IPTC's first byte, 0x1C, in all of it, and finds
that as the resource's length too: one in 256 images would seem to have no IPTC, and would lose it by being written.
So Exiv2 gets the IPTC without the resource round it. Pure.
"""

import zlib
from typing import Final

from gateway.processor.grafting import chunk
from gateway.processor.parts import IPTC_AS_TEXT_KINDS, Part, parts
from gateway.processor.png_text import raw_profile, text
from gateway.processor.segments import iptc_block

_KEYWORD: Final = b"Raw profile type iptc\0"
_LINE: Final = 72


def with_bare_iptc(image: bytes) -> bytes:
    """`image`, with the IPTC of a PNG outside its resource. All else, and what can't be read, stays as it is."""
    return b"".join(
        _bare(image, part) if part.metadata in IPTC_AS_TEXT_KINDS else image[part.start : part.end]
        for part in parts(image)
    )


def _bare(png: bytes, part: Part) -> bytes:
    try:
        block = iptc_block(raw_profile(text(png, part)))
    except ValueError:
        block = None
    if block is None:
        return png[part.start : part.end]
    return chunk(part.kind, _KEYWORD + _as_text_of(part.kind, _encoded(block)))


def _as_text_of(kind: bytes, text: bytes) -> bytes:
    """The chunk's kind stays: what stands in its place can then be told."""
    match kind:
        case b"zTXt":
            return b"\0" + zlib.compress(text)
        case b"iTXt":
            return bytes(4) + text
        case _:
            return text


def _encoded(profile: bytes) -> bytes:
    digits = profile.hex()
    lines = [digits[start : start + _LINE] for start in range(0, len(digits), _LINE)]
    return "\n".join(["", "iptc", f"{len(profile):8}", *lines, ""]).encode()

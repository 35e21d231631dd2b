"""IPTC in a PNG, which has no place for it: ImageMagick's way, as text in hexadecimal ("Raw profile type iptc").

Most programs put one of Photoshop's resources there. Exiv2 looks for IPTC's first byte, 0x1C, in all of it, and finds
that as the resource's length too: one in 256 images would seem to have no IPTC, and would lose it by being written.
So Exiv2 gets the IPTC without the resource round it. Pure.
"""

import zlib
from typing import Final

from gateway.processor.grafting import chunk
from gateway.processor.parts import Part, parts
from gateway.processor.segments import iptc_block

_KEYWORD: Final = b"Raw profile type iptc"
_COMPRESSED: Final = b"zTXt"
_KINDS: Final = {_COMPRESSED + _KEYWORD, b"tEXt" + _KEYWORD}
_METHOD: Final = b"\0"  # deflate, the only one
_LINE: Final = 72
_MAX_BYTES: Final = 4 * 1024 * 1024
"""What the text may grow to; a program's IPTC has some kilobytes."""


def with_bare_iptc(image: bytes) -> bytes:
    """`image`, with the IPTC of a PNG outside its resource. All else, and what can't be read, stays as it is."""
    return b"".join(
        _bare(image, part) if part.metadata in _KINDS else image[part.start : part.end]
        for part in parts(image)
    )


def _bare(png: bytes, part: Part) -> bytes:
    text = png[part.content + len(_KEYWORD) + 1 : part.end - 4]
    try:
        profile = _decoded(_expanded(text.removeprefix(_METHOD)) if part.kind == _COMPRESSED else text)
    except (ValueError, zlib.error):
        return png[part.start : part.end]
    block = iptc_block(profile)
    if block is None:
        return png[part.start : part.end]
    return chunk(_COMPRESSED, _KEYWORD + b"\0" + _METHOD + zlib.compress(_encoded(block)))


def _expanded(text: bytes) -> bytes:
    stream = zlib.decompressobj()
    expanded = stream.decompress(text, _MAX_BYTES)
    if not stream.eof:
        raise ValueError("text that is too long or cut off")
    return expanded


def _decoded(text: bytes) -> bytes:
    """A line with the kind, one with the length, and lines in hexadecimal. Raises ValueError."""
    return bytes.fromhex(b"".join(text.lstrip().split(b"\n", 2)[2:]).decode("ascii"))


def _encoded(profile: bytes) -> bytes:
    digits = profile.hex()
    lines = [digits[start : start + _LINE] for start in range(0, len(digits), _LINE)]
    return "\n".join(["", "iptc", f"{len(profile):8}", *lines, ""]).encode()

"""Text in a PNG: plain (tEXt), compressed (zTXt), or in any language and either way (iTXt). Pure.

W3C PNG (third edition), section 11.3.3, rules the chunks.
"""

import zlib
from typing import Final

from gateway.processor.container.parts import Part

_CHECKSUM_BYTES: Final = 4
_MAX_BYTES: Final = 4 * 1024 * 1024
"""What a text may grow to; XMP and IPTC have some kilobytes."""


def text(png: bytes, part: Part) -> bytes:
    """The text of a chunk, without its keyword. Raises ValueError: it can't be read, or is too long."""
    rest = png[part.content : part.end - _CHECKSUM_BYTES].partition(b"\0")[2]
    if part.kind == b"iTXt":  # flag, method, language, translated keyword, text
        text = rest[2:].split(b"\0", 2)[-1]
        return _expanded(text) if rest[:1] == b"\1" else text
    return _expanded(rest[1:]) if part.kind == b"zTXt" else rest


def raw_profile(text: bytes) -> bytes:
    """ImageMagick's way to put bytes into text: a line with the kind, one with the length, and hexadecimal lines.

    Raises ValueError.
    """
    return bytes.fromhex(b"".join(text.lstrip().split(b"\n", 2)[2:]).decode("ascii"))


def _expanded(text: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        expanded = stream.decompress(text, _MAX_BYTES)
    except zlib.error as error:
        raise ValueError("text that is not compressed") from error
    if not stream.eof:
        raise ValueError("text that is too long or cut off")
    return expanded

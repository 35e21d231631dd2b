"""IPTC in a PNG, which has no place for it: ImageMagick's way, as text in hexadecimal ("Raw profile type iptc").

Most programs put one of Photoshop's resources there. Exiv2 looks for IPTC's first byte, 0x1C, in all of it, and finds
that as the resource's length too: one in 256 images would seem to have no IPTC, and would lose it by being written.
So Exiv2 gets the IPTC without the resource round it. Pure.
"""

import zlib
from collections.abc import Callable
from typing import Final

from gateway.processor.container.grafting import chunk
from gateway.processor.container.parts import IPTC_AS_TEXT_KINDS, Part, parts
from gateway.processor.container.png_text import raw_profile, text
from gateway.processor.standards.iptc_block import readable, with_times_of
from gateway.processor.standards.photoshop import iptc_of, iptc_resource

_KEYWORD: Final = b"Raw profile type iptc\0"
_LINE: Final = 72


def with_bare_iptc(image: bytes) -> bytes:
    """`image`, with the IPTC of a PNG outside its resource. All else, and what can't be read, stays as it is.

    Raises ValueError: the IPTC is damaged.
    """
    return _with_each(image, _without_resource)


def with_profile_times_of(before: bytes, after: bytes) -> bytes:
    """`after`, which Exiv2 made of `before`, with the times of IPTC in a PNG as they were."""
    there = b"".join(_profile(before, part) for part in parts(before) if part.metadata in IPTC_AS_TEXT_KINDS)
    return _with_each(after, lambda profile: _with_times_of(there, profile)) if there else after


def _with_each(png: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """`png` with each IPTC in it changed."""
    pieces = []
    for part in parts(png):
        profile = _profile(png, part) if part.metadata in IPTC_AS_TEXT_KINDS else b""
        if (changed := change(profile)) == profile:
            pieces.append(png[part.start : part.end])
        else:
            pieces.append(chunk(part.kind, _KEYWORD + _as_text_of(part.kind, _encoded(changed))))
    return b"".join(pieces)


def _profile(png: bytes, part: Part) -> bytes:
    """The bytes that stand there as text; empty if they can't be read."""
    try:
        return raw_profile(text(png, part))
    except ValueError:
        return b""


def _with_times_of(original: bytes, profile: bytes) -> bytes:
    """`profile` is a resource, as Exiv2 writes it."""
    block = iptc_of(profile)
    restored = with_times_of(original, block)
    return profile if restored == block else iptc_resource(restored)


def _without_resource(profile: bytes) -> bytes:
    try:
        block = iptc_of(profile) or profile
    except ValueError:
        block = profile
    return readable(block)


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

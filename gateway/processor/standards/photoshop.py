"""Photoshop's resources, which hold the IPTC of a JPEG: of them all, the IPTC and its digest alone are written.

The digest is the MD5 of the IPTC. Readers take one that is not current as a sign that the XMP is out of step, and
prefer one over the other by it: who writes IPTC has to keep it current. Exiv2 does not, and it refuses resources that
it does not know (ImageReady's). Pure; Adobe's "Photoshop File Formats" rules them. A segment holds 64 KiB: what is
longer goes on in the next one.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from gateway.processor.container.grafting import MAX_SEGMENT_CONTENT, segment
from gateway.processor.container.parts import PHOTOSHOP
from gateway.processor.standards.iptc_block import readable, with_times_of

_APP13: Final = 0xED
_IPTC, _DIGEST = 0x0404, 0x0425
_DIGEST_BYTES: Final = 16
_SIGNATURE: Final = re.compile(rb"[A-Za-z0-9]{4}")
_SMALLEST: Final = 12  # signature, kind, an empty name, length
_ROOM: Final = MAX_SEGMENT_CONTENT - len(PHOTOSHOP)


@frozen
class _Resource:
    """Signature, kind, Pascal string, length, content, each padded to an even length."""

    kind: int
    start: int
    content: int
    content_end: int
    end: int


def iptc_alone(segments: Sequence[bytes]) -> list[bytes]:
    """Segments with the IPTC of these, readable, and nothing else; none where there is none. Raises ValueError."""
    return _segments(iptc_resource(readable(block))) if (block := iptc_of(_joined(segments))) else []


def with_iptc_of(written: Sequence[bytes], original: Sequence[bytes]) -> list[bytes]:
    """The resources of `original` with the IPTC of `written`, and the digest, if there is one, made that of it.

    They stay as they are if that is the same IPTC.
    """
    resources = _joined(original)
    block = with_times_of(iptc_of(resources), iptc_of(_joined(written)))
    if block == iptc_of(resources):
        return list(original)
    pieces, end = [iptc_resource(block)], 0
    for each in _resources(resources):
        end = each.end
        if each.kind == _DIGEST and each.content_end - each.content == _DIGEST_BYTES:
            digest = hashlib.md5(block, usedforsecurity=False).digest()
            pieces.append(resources[each.start : each.content] + digest)
        elif each.kind != _IPTC:
            pieces.append(resources[each.start : each.end])
    return _segments(b"".join([*pieces, resources[end:]]))


def iptc_of(resources: bytes) -> bytes:
    """The IPTC among resources; empty if there is none. Raises ValueError: damaged."""
    blocks = (each for each in _resources(resources) if each.kind == _IPTC)
    return b"".join(resources[each.content : each.content_end] for each in blocks)


def iptc_resource(iptc: bytes) -> bytes:
    """The resource that holds this IPTC."""
    return b"8BIM" + _IPTC.to_bytes(2) + b"\0\0" + len(iptc).to_bytes(4) + iptc + b"\0" * (len(iptc) % 2)


def _joined(segments: Sequence[bytes]) -> bytes:
    return b"".join(each.partition(PHOTOSHOP)[2] for each in segments)


def _segments(resources: bytes) -> list[bytes]:
    starts = range(0, len(resources), _ROOM)
    return [segment(_APP13, PHOTOSHOP + resources[start : start + _ROOM]) for start in starts]


def _resources(resources: bytes) -> Iterator[_Resource]:
    """Up to what is none. Raises ValueError where one says that it is longer than there is."""
    start = 0
    while start + _SMALLEST <= len(resources) and _SIGNATURE.match(resources, start):
        name_bytes = resources[start + 6] + 1
        content = start + 6 + name_bytes + name_bytes % 2 + 4
        content_end = content + int.from_bytes(resources[content - 4 : content])
        if content_end > len(resources):
            raise ValueError("a resource of Photoshop is longer than there is")
        end = min(content_end + (content_end - content) % 2, len(resources))
        yield _Resource(int.from_bytes(resources[start + 4 : start + 6]), start, content, content_end, end)
        start = end

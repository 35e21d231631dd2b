"""A body as it was before its sender packed it: what Content-Encoding says (RFC 9110, section 8.4), for gzip alone.

Deflate packs a thousand to one at best, so a few kilobytes could ask for gigabytes. They pass in small pieces, the
event loop has its turn between them, and their sum has two bounds: the one on every body, and one on what a byte may
unpack to. Base64 of photos is packed to three quarters, and JSON that is nothing but addresses to a twentieth:
who gets far more out of a byte has sent a bomb.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from enum import StrEnum
from typing import Final

from attrs import define

from gateway.errors import BadInput, TooLarge, UnsupportedMedia

ACCEPTED: Final = "gzip"
"""For the header Accept-Encoding of a refusal (RFC 9110, section 15.5.16)."""

MOST_FROM_A_BYTE: Final = 100
LEAST_SUSPECT_BYTES: Final = 16 * 1024 * 1024
"""Less is let pass however far it was packed: one plain image that was never compressed is no attack."""

PIECE_BYTES: Final = 256 * 1024
"""A millisecond of unpacking; nothing larger comes out at once."""

# zlib copies what stands behind the end of a member, and hundreds of empty ones fit into a kilobyte or two.
_SLICE_BYTES: Final = 32 * 1024
_TURN_S: Final = 0.002
_GZIP: Final = 16 + zlib.MAX_WBITS


class ContentCoding(StrEnum):
    """How a body may be packed."""

    IDENTITY = "identity"
    GZIP = "gzip"


class UnsupportedCoding(UnsupportedMedia):
    """A body is packed in a way that is not taken."""


class BadContentCoding(BadInput):
    """A body is not what its Content-Encoding says."""

    default_code = "bad_content_coding"


def coding_of(values: Iterable[str]) -> ContentCoding:
    """The coding that the headers Content-Encoding name; none is identity. Raises UnsupportedCoding."""
    named = ",".join(values).strip().lower()
    if named in ("gzip", "x-gzip"):
        return ContentCoding.GZIP
    if named in ("", "identity"):
        return ContentCoding.IDENTITY
    raise UnsupportedCoding(
        "A body is taken as it is, or with the Content-Encoding gzip; no other, and no second one."
    )


def unpacked(body: AsyncIterator[bytes], coding: ContentCoding, max_bytes: int) -> AsyncIterator[bytes]:
    """The body, unpacked where it is packed, and then in pieces of at most PIECE_BYTES.

    Iterating raises BadContentCoding where it is no gzip or ends too early; TooLarge where it unpacks to more than
    `max_bytes`, or to far too much for its size; and what `body` raises.
    """
    return body if coding is ContentCoding.IDENTITY else _gunzipped(body, max_bytes)


async def _gunzipped(body: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    loop, members = asyncio.get_running_loop(), _Members(max_bytes)
    async for chunk in body:
        turn_ends = loop.time() + _TURN_S
        for piece in members.pieces_of(chunk):
            if piece:
                yield piece
            if loop.time() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = loop.time() + _TURN_S
    members.check_end()


@define(eq=False)
class _Members:
    """Members of gzip (RFC 1952), one behind the other, as their bytes come."""

    _max_bytes: int
    _open: "zlib._Decompress | None" = None
    """The member that has begun and not ended."""
    _packed_bytes: int = 0
    _unpacked_bytes: int = 0

    def pieces_of(self, chunk: bytes) -> Iterator[bytes]:
        """What the chunk unpacks to, step by step; a step may bring nothing."""
        for start in range(0, len(chunk), _SLICE_BYTES):
            packed = chunk[start : start + _SLICE_BYTES]
            while packed:
                piece, left = self._step(packed)
                self._packed_bytes += len(packed) - len(left)
                self._unpacked_bytes += len(piece)
                self._check_size()
                packed = left
                yield piece

    def check_end(self) -> None:
        """Raises BadContentCoding unless this is a good place for the body to end."""
        if self._open or not self._packed_bytes:
            raise BadContentCoding("The body ends before its gzip does.")

    def _step(self, packed: bytes) -> tuple[bytes, bytes]:
        """The next piece, and what of `packed` is left for further ones."""
        member = self._open or zlib.decompressobj(_GZIP)
        try:
            piece = member.decompress(packed, PIECE_BYTES)
        except zlib.error as error:
            text = "The body is no gzip, was damaged, or goes on behind the end of its gzip."
            raise BadContentCoding(text, detail=str(error)) from None
        if member.eof:
            self._open = None
            return piece, member.unused_data
        self._open = member
        return piece, member.unconsumed_tail

    def _check_size(self) -> None:
        """Raises TooLarge."""
        if self._unpacked_bytes > self._max_bytes:
            raise TooLarge(f"The body unpacks to more than {self._max_bytes} bytes.")
        if self._unpacked_bytes > max(LEAST_SUSPECT_BYTES, MOST_FROM_A_BYTE * self._packed_bytes):
            raise TooLarge(f"The body unpacks to more than {MOST_FROM_A_BYTE} times its size.")

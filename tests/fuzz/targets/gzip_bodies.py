"""A body packed by gzip, cut anywhere: it unpacks to what Python's own `gzip` makes of it, within its bound, or is
refused in a foreseen way."""

import gzip
from collections.abc import Sequence
from typing import Final

from gateway.errors import BadInput, TooLarge
from gateway.intake.content_coding import PIECE_BYTES, ContentCoding, unpacked
from tests.cuts import arriving, cut_the_same
from tests.fuzz.reading import finished

WORDS: Final = (
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"\x1f\x8b\x08\x1f", b"\x1f\x8b", b"\x03\0", b"\0\0\0\0\0\0\0\0",
    b"\x01\0\0\xff\xff", gzip.compress(b"", mtime=0), gzip.compress(b"a", mtime=0),
    gzip.compress(bytes(100_000), mtime=0),
)  # fmt: skip
MAX_BYTES: Final = 1024 * 1024


def check(data: bytes) -> None:
    """As it is, and as it were if its sender had packed it."""
    found = of_gzip([data] if data else [])
    assert of_gzip(cut_the_same(data)) == found
    assert found is None or found == gzip.decompress(data)
    packed = gzip.compress(data, compresslevel=1, mtime=0)
    assert of_gzip(cut_the_same(packed)) == data
    assert of_gzip(cut_the_same(packed[:-1])) is None


def of_gzip(pieces: Sequence[bytes]) -> bytes | None:
    """None for what is refused."""
    return finished(_of_gzip(pieces))


async def _of_gzip(pieces: Sequence[bytes]) -> bytes | None:
    body = bytearray()
    try:
        async for piece in unpacked(arriving(pieces), ContentCoding.GZIP, MAX_BYTES):
            assert len(piece) <= PIECE_BYTES
            body += piece
            assert len(body) <= MAX_BYTES
    except (BadInput, TooLarge):
        return None
    return bytes(body)

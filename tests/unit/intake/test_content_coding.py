"""Bodies that are packed: any gzip is read as the standard library reads it, and none can take more than its bounds."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import TooLarge
from gateway.intake.content_coding import (
    LEAST_SUSPECT_BYTES,
    PIECE_BYTES,
    BadContentCoding,
    ContentCoding,
    UnsupportedCoding,
    coding_of,
    unpacked,
)
from tests.traced_memory import traced_memory

ROOM = 1 << 40
TEXT = b'{"images": [{"url": "https://example.com/a.jpg"}]}'
PACKED = gzip.compress(TEXT)
MB = 1024 * 1024


async def sent(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def pieces_of(*chunks: bytes, max_bytes: int = ROOM) -> list[bytes]:
    return [piece async for piece in unpacked(sent(chunks), ContentCoding.GZIP, max_bytes)]


def zeros(size: int) -> bytes:
    """So many of them, packed a thousand to one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(MB)) for _ in range(size // MB)) + packer.flush()


@pytest.mark.parametrize(
    ("values", "coding"),
    [
        ([], ContentCoding.IDENTITY),
        ([""], ContentCoding.IDENTITY),
        (["identity"], ContentCoding.IDENTITY),
        (["gzip"], ContentCoding.GZIP),
        ([" GZip "], ContentCoding.GZIP),
        (["x-gzip"], ContentCoding.GZIP),
    ],
)
def test_gzip_is_taken_by_both_of_its_names(values: list[str], coding: ContentCoding) -> None:
    assert coding_of(values) is coding


@pytest.mark.parametrize(
    "values",
    [["br"], ["deflate"], ["gzip, gzip"], ["gzip", "gzip"], ["gzip, identity"], ["gzip;q=1"], ["\xff"]],
)
def test_no_other_coding_is_taken_and_no_second_one(values: list[str]) -> None:
    with pytest.raises(UnsupportedCoding):
        coding_of(values)


@given(
    members=st.lists(st.tuples(st.binary(max_size=2000), st.integers(0, 9)), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 8000), max_size=20),
)
def test_where_the_chunks_are_cut_does_not_matter(members: list[tuple[bytes, int]], cuts: list[int]) -> None:
    packed = b"".join(gzip.compress(content, level) for content, level in members)
    ends = sorted({0, len(packed), *(cut for cut in cuts if cut < len(packed))})
    chunks = [packed[start:end] for start, end in pairwise(ends)]
    assert b"".join(asyncio.run(pieces_of(*chunks))) == gzip.decompress(packed)


@given(content=st.binary(max_size=300), at=st.integers(0, 400), flipped=st.integers(1, 255))
def test_what_is_read_of_a_damaged_body_is_what_the_standard_library_reads(
    content: bytes, at: int, flipped: int
) -> None:
    packed = bytearray(gzip.compress(content))
    packed[at % len(packed)] ^= flipped
    try:
        read = b"".join(asyncio.run(pieces_of(bytes(packed))))
    except BadContentCoding:
        return
    assert read == gzip.decompress(packed)


async def test_a_header_may_have_all_its_optional_fields() -> None:
    flags = 0x02 | 0x04 | 0x08 | 0x10  # CRC, extra field, name, comment
    head = bytes([0x1F, 0x8B, 8, flags, 0, 0, 0, 0, 0, 255]) + b"\4\0abcd" + b"a.json\0" + b"a comment\0"
    head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little")
    assert b"".join(await pieces_of(head + PACKED[10:])) == TEXT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        PACKED[:5],
        PACKED[:-1],
        PACKED + PACKED[:3],
        PACKED + b"\0\0\0\0",
        PACKED + b"garbage",
        TEXT,
        zlib.compress(TEXT),
        PACKED[:-8] + bytes(4) + PACKED[-4:],
        PACKED[:-4] + bytes(4),
    ],
    ids=[
        "nothing",
        "a piece of a header",
        "cut before its last byte",
        "a piece of a second member",
        "zeros behind it",
        "garbage behind it",
        "not packed at all",
        "zlib",
        "a wrong sum",
        "a wrong length",
    ],
)
async def test_what_is_no_whole_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(BadContentCoding) as refused:
        await pieces_of(body)
    assert refused.value.code == "bad_content_coding"


async def test_a_bomb_is_cut_early() -> None:
    """A hundred megabytes in a tenth of one, most of which are never unpacked."""
    seen = 0

    async def read() -> None:
        nonlocal seen
        async for piece in unpacked(sent([zeros(100 * MB)]), ContentCoding.GZIP, ROOM):
            seen += len(piece)

    with pytest.raises(TooLarge, match="100 times"):
        await read()
    assert seen <= LEAST_SUSPECT_BYTES


async def test_one_plain_image_that_was_never_compressed_is_no_bomb() -> None:
    assert sum(map(len, await pieces_of(zeros(10 * MB)))) == 10 * MB


async def test_what_unpacks_to_more_than_a_body_may_have_is_refused() -> None:
    assert len(b"".join(await pieces_of(PACKED, max_bytes=len(TEXT)))) == len(TEXT)
    with pytest.raises(TooLarge, match="more than 1000 bytes"):
        await pieces_of(gzip.compress(b" " * 1001), max_bytes=1000)


async def test_a_piece_is_small_however_much_a_chunk_unpacks_to() -> None:
    assert max(map(len, await pieces_of(zeros(8 * MB)))) <= PIECE_BYTES


async def test_a_bomb_takes_no_memory() -> None:
    bomb = zeros(15 * MB)
    with traced_memory() as traced:
        async for _ in unpacked(sent([bomb]), ContentCoding.GZIP, ROOM):
            pass
    assert traced.peak_bytes < 2 * MB


@pytest.mark.parametrize(
    "body", [zeros(15 * MB), gzip.compress(b"") * 50_000], ids=["a bomb", "empty members"]
)
async def test_the_loop_has_its_turn_in_the_midst_of_one_chunk(body: bytes) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(others())
    await pieces_of(body)
    other.cancel()
    assert turns > 3

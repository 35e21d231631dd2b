from collections.abc import AsyncIterator

import pytest

from gateway.errors import ContentError, TooSlow
from gateway.jobs.accepting.beginning import PIECE_BYTES, Beginning
from tests.traced_memory import traced_memory

PIECE = bytes(PIECE_BYTES)


async def body_of(*pieces: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if then is not None:
        raise then


async def all_of(beginning: Beginning) -> bytes:
    return b"".join([chunk async for chunk in beginning.whole()])


@pytest.mark.parametrize(
    ("pieces", "size", "is_all"),
    [
        ((), 0, True),
        ((b"ab", b"c"), 3, True),
        ((PIECE[:-1],), PIECE_BYTES - 1, True),
        ((PIECE,), PIECE_BYTES, False),
        ((b"a", PIECE, b"b"), PIECE_BYTES + 1, False),
    ],
)
async def test_no_more_is_read_than_a_piece_and_what_completes_it(
    pieces: tuple[bytes, ...], size: int, is_all: bool
):
    beginning = await Beginning.of(body_of(*pieces))
    assert (beginning.size, beginning.is_all) == (size, is_all)
    assert await all_of(beginning) == b"".join(pieces)


async def test_what_comes_in_tiny_chunks_takes_little_more_memory_than_its_size():
    async def body() -> AsyncIterator[bytes]:
        for _ in range(PIECE_BYTES // 2 - 1):
            yield bytes((0, 1))

    with traced_memory() as traced:
        beginning = await Beginning.of(body())
    assert beginning.size == PIECE_BYTES - 2
    assert traced.peak_bytes < PIECE_BYTES * 5 // 4


@pytest.mark.parametrize("pieces", [(b"a", b"b"), (PIECE, b"b")])
async def test_where_content_breaks_off_comes_after_what_came_before(pieces: tuple[bytes, ...]):
    beginning = await Beginning.of(body_of(*pieces, then=ContentError("broken", code="bad_base64")))
    whole, before = beginning.whole(), b""
    while len(before) < sum(map(len, pieces)):
        before += await anext(whole)
    assert before == b"".join(pieces)
    with pytest.raises(ContentError, match="broken"):
        await anext(whole)


async def test_trouble_of_the_request_is_raised_at_once():
    with pytest.raises(TooSlow):
        await Beginning.of(body_of(b"a", then=TooSlow("slow")))

from collections.abc import AsyncIterator

import pytest

from gateway.errors import ContentError, TooSlow
from gateway.jobs.accepting.beginning import PIECE_BYTES, Beginning

PIECE = bytes(PIECE_BYTES)


async def body_of(*pieces: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if then is not None:
        raise then


async def all_of(beginning: Beginning) -> list[bytes]:
    return [chunk async for chunk in beginning.whole()]


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
    assert await all_of(beginning) == list(pieces)


@pytest.mark.parametrize("pieces", [(b"a", b"b"), (PIECE, b"b")])
async def test_where_content_breaks_off_comes_after_what_came_before(pieces: tuple[bytes, ...]):
    beginning = await Beginning.of(body_of(*pieces, then=ContentError("broken", code="bad_base64")))
    whole = beginning.whole()
    assert [await anext(whole) for _ in pieces] == list(pieces)
    with pytest.raises(ContentError, match="broken"):
        await anext(whole)


async def test_trouble_of_the_request_is_raised_at_once():
    with pytest.raises(TooSlow):
        await Beginning.of(body_of(b"a", then=TooSlow("slow")))

"""Server-sent events, however they are cut on their way."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.client.server_sent import Block, blocks

TEXT = b'retry: 2000\nid: e:1\nevent: progress\ndata: {"id": 1}\n\n: a comment\ndata:{"id": 2}\ndata: 3\n\ndata: cut'
TOLD = [Block(b'{"id": 1}', True), Block(b'{"id": 2}\n3', False)]


async def read(pieces: Sequence[bytes]) -> list[Block]:
    async def come() -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            yield piece

    return [block async for block in blocks(come())]


@given(st.lists(st.integers(0, len(TEXT)), max_size=8).map(sorted))
def test_blocks_are_the_same_wherever_the_pieces_end(places):
    ends = [0, *places, len(TEXT)]
    assert asyncio.run(read([TEXT[start:end] for start, end in pairwise(ends)])) == TOLD


async def test_lines_may_end_in_the_other_way():
    assert await read([TEXT.replace(b"\n", b"\r\n")]) == TOLD


@pytest.mark.parametrize("cut", [b"data: 1", b"data: 1\n", b""])
async def test_what_the_end_cuts_off_is_none(cut):
    assert await read([cut]) == []


async def test_a_time_to_come_back_after_may_stand_alone():
    assert await read([b"retry: 700\n\n"]) == [Block(b"", True)]

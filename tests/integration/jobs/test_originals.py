"""Putting originals into the store: what is costly to inspect keeps nobody waiting, and nothing half-way stays."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ContentError
from gateway.jobs.originals import Content
from tests.hostile_images import a_bomb
from tests.integration.jobs.parts import Parts
from tests.png_parts import idat, ihdr, png, rows

LARGE = png(header=ihdr(6000, 6000), data=idat(rows(6000, 6000)))
"""Some 100 kilobytes that unpack to 108 MB."""
LATE_S = 60


async def in_one_piece(image: bytes) -> AsyncIterator[bytes]:
    yield image


async def turns_of_the_loop_during(work: Awaitable[Any]) -> int:
    """How often others had their turn until it ended, however it did."""
    task = asyncio.ensure_future(work)
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    task.exception()
    return turns


@pytest.fixture
def stored(parts: Parts) -> Any:
    return lambda image: parts.originals.store("b-1", Content(in_one_piece(image)))


async def test_others_have_their_turn_while_a_picture_is_unpacked(stored: Any) -> None:
    """It is refused before anything is written: only the inspection can have made room for them."""
    refused_at_its_end = png(header=ihdr(5000, 5000), data=idat(rows(5000, 5001)))

    assert await turns_of_the_loop_during(stored(refused_at_its_end)) > 10


async def test_a_picture_is_unpacked_while_no_thread_of_asyncio_is_free(stored: Any) -> None:
    """Nor does it take one of them: names of hosts and much else wait for these."""
    is_over = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    other = loop.run_in_executor(None, is_over.wait)

    try:
        async with asyncio.timeout(LATE_S):
            original = await stored(LARGE)
    finally:
        is_over.set()
        await other

    assert original.size == len(LARGE)


async def test_a_bomb_leaves_nothing(stored: Any, parts: Parts) -> None:
    with pytest.raises(ContentError, match="bomb"):
        await stored(a_bomb())

    assert parts.files() == []


async def test_a_large_picture_is_stored_as_it_came(stored: Any, parts: Parts, tmp_path: Path) -> None:
    original = await stored(LARGE)

    (file,) = (path for path in tmp_path.rglob("original.png"))
    assert original.size == len(LARGE)
    assert file.read_bytes() == LARGE


async def test_what_is_cancelled_while_it_is_unpacked_leaves_nothing(stored: Any, parts: Parts) -> None:
    storing = asyncio.create_task(stored(LARGE))
    for _ in range(3):
        await asyncio.sleep(0)
    storing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await storing
    assert parts.files() == []

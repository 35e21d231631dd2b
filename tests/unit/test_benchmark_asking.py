"""tests.benchmarks.asking: somebody in a process of its own asks as long as it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.benchmarks.asking import asking

QUESTIONS = 20
PATIENCE_S = 60


@asynccontextmanager
async def answering(status: bytes, enough: asyncio.Event) -> AsyncIterator[int]:
    """The port of a server that gives each question this status; `enough` is set after QUESTIONS of them."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while line := await reader.readline():
            if line == b"\r\n":
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n{}")
                asked += 1
            if asked == QUESTIONS:
                enough.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, asyncio.timeout(PATIENCE_S):
        yield server.sockets[0].getsockname()[1]


async def test_the_asker_ends_when_it_is_left_and_tells_how_long_each_answer_took() -> None:
    enough = asyncio.Event()
    async with answering(b"200 OK", enough) as port, asking(port, "/") as answers:
        assert answers.seconds == []
        await enough.wait()
    assert len(answers.seconds) >= QUESTIONS - 2
    assert 0 < min(answers.seconds) <= answers.p99_s


async def test_an_asker_that_is_refused_has_no_figures() -> None:
    with pytest.raises(RuntimeError, match="asking failed"):
        async with answering(b"503 Busy", asyncio.Event()) as port, asking(port, "/"):
            pass

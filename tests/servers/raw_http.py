"""HTTP/1.1 as bytes on a connection, for clients that do what no library lets them.

async with connection(port) as line:
    await line.send(head("POST", "/api/v1/batch", ("Content-Length", 100)), b"{")
    answer = await line.answer()
    await line.ended()
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from attrs import frozen

from tests.curl import Answer
from tests.patience import PATIENCE_S

HOST = "127.0.0.1"
MORE = b"x" * 65536


@frozen
class Line:
    """One connection, from its client's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        """Returns once the kernel has nearly all of it. Raises ConnectionError when the other side is gone."""
        self.writer.writelines(pieces)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """The next answer, an interim one too. Raises IncompleteReadError where the connection ends before."""
        async with asyncio.timeout(PATIENCE_S):
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *lines = text.rstrip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(status.split()[1]), headers, body)

    async def ended(self) -> None:
        """Returns when the other side has closed; what it still sends is an error."""
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionResetError):
                assert await self.reader.read() == b""

    async def send_all_then_look(self, total: int) -> Answer:
        """As clients that read nothing before they have sent everything. Raises as `send` and `answer`."""
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(total // len(MORE)):
                await self.send(MORE)
        return await self.answer()


def head(method: str, path: str, *headers: tuple[str, object], version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: x", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(content: bytes) -> bytes:
    """Of a body with Transfer-Encoding: chunked; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(content), content)


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()

"""Answers of HTTP that come bit by bit, read from the connection as RFC 9112 and the HTML standard (9.2.6) have them.

async with streamed(port, "/api/v1/batch/ID/events") as answer:
    first = await answer.event()
    others = await answer.events()
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from attrs import define, field, frozen

from tests.patience import PATIENCE_S
from tests.servers.raw_http import Line, connection, head


@frozen
class ServerSentEvent:
    """One event as a browser hears it, and which `retry` came with it."""

    kind: str
    data: str
    id: str | None
    retry: str | None

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @classmethod
    def parse(cls, lines: list[str]) -> Self:
        fields: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        assert all(len(values) == 1 for name, values in fields.items() if name != "data"), lines
        data = "\n".join(fields.get("data", []))
        kind, position, retry = (fields.get(name, [None])[0] for name in ("event", "id", "retry"))
        return cls(kind or "message", data, position, retry)


@define
class StreamedAnswer:
    """`body` raises IncompleteReadError where the connection ends before the answer does."""

    status: int
    headers: dict[str, str]
    line: Line
    _held: bytes = b""
    _has_ended: bool = field(init=False, default=False)

    @property
    def in_chunks(self) -> bool:
        return self.headers.get("transfer-encoding") == "chunked"

    async def text(self) -> str | None:
        """The next line, None at the end of the answer."""
        async with asyncio.timeout(PATIENCE_S):
            while b"\n" not in self._held and not self._has_ended:
                self._held += await self._more()
        if not self._held:
            return None
        line, _, self._held = self._held.partition(b"\n")
        return line.decode()

    async def texts(self) -> list[str]:
        """All other lines."""
        lines = []
        while (line := await self.text()) is not None:
            lines.append(line)
        return lines

    async def event(self) -> ServerSentEvent | None:
        """The next one, None at the end of the answer. A block without data is one whose data is empty."""
        lines = []
        while line := await self.text():
            lines.append(line)
        assert line is not None or not lines, f"an event that is not whole: {lines}"
        return ServerSentEvent.parse(lines) if lines else None

    async def events(self) -> list[ServerSentEvent]:
        """All others."""
        events = []
        while (event := await self.event()) is not None:
            events.append(event)
        return events

    async def _more(self) -> bytes:
        more = await (self._chunk() if self.in_chunks else self.line.reader.read(65536))
        self._has_ended = not more
        return more

    async def _chunk(self) -> bytes:
        size = int(await self.line.reader.readuntil(b"\r\n"), 16)
        chunk = await self.line.reader.readexactly(size + 2)
        assert chunk.endswith(b"\r\n")
        return chunk[:-2]


async def asked(
    line: Line,
    path: str,
    *headers: tuple[str, object],
    method: str = "GET",
    body: bytes = b"",
    version: str = "1.1",
) -> StreamedAnswer:
    """The head of the answer; its body may follow."""
    await line.send(head(method, path, *headers, version=version), body)
    return await answered(line)


async def answered(line: Line) -> StreamedAnswer:
    """The next answer on the connection."""
    async with asyncio.timeout(PATIENCE_S):
        text = (await line.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = text.rstrip().split("\r\n")
    return StreamedAnswer(int(first.split()[1]), dict(one.lower().split(": ", 1) for one in lines), line)


@asynccontextmanager
async def streamed(
    port: int, path: str, *headers: tuple[str, object], version: str = "1.1"
) -> AsyncIterator[StreamedAnswer]:
    """On a connection of its own, which ends with the context."""
    async with connection(port) as line:
        yield await asked(line, path, *headers, version=version)

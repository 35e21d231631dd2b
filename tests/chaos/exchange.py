"""One HTTP exchange by hand, so that nothing of ours repairs, repeats or hides what happens on the way."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from attrs import frozen

from tests.servers.gateway import HOST

PATIENCE_S = 120
PIECES = 10


@frozen
class Answer:
    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes

    @property
    def job_id(self) -> str:
        """Of a 201."""
        return self.headers["location"].rpartition("/")[2]


def head_of(content_type: str, length: int, query: str = "", headers: Mapping[str, str] = {}) -> bytes:
    """Of a POST of a batch."""
    more = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    return (
        f"POST /api/v1/batch{query} HTTP/1.1\r\nHost: gateway\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {length}\r\nConnection: close\r\n{more}\r\n"
    ).encode()


async def exchanged(
    port: int, head: bytes, body: bytes, *, takes_s: float = 0, leaves: bool = False
) -> Answer | None:
    """Sends it, within `takes_s`; None without a whole answer, or for who leaves before there can be one.

    Raises TimeoutError when nobody listens, or nobody answers, for two minutes.
    """
    reader, writer = await _connected(port)
    try:
        writer.write(head)
        await _trickle(writer, body, takes_s)
        if leaves:
            return None
        async with asyncio.timeout(PATIENCE_S):
            return _parsed(await reader.read())
    except ConnectionError:
        return None
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Comes back until somebody listens."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(ConnectionError):
                return await asyncio.open_connection(HOST, port)
            await asyncio.sleep(0.02)


async def _trickle(writer: asyncio.StreamWriter, body: bytes, takes_s: float) -> None:
    pieces = PIECES if takes_s else 1
    size = len(body) // pieces + 1
    for start in range(0, len(body), size):
        await asyncio.sleep(takes_s / pieces)
        writer.write(body[start : start + size])
        await writer.drain()


def _parsed(answer: bytes) -> Answer | None:
    """None for an answer that was cut before its end."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return None
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in fields)}
    if len(body) < int(headers.get("content-length", 0)):
        return None
    return Answer(int(status.split()[1]), headers, body)

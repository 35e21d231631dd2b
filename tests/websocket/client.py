"""A WebSocket client of our own, for what no library lets its users send.

    async with opened(port, path) as socket:
        await socket.send(frame(PING, b"x", rsv=4))
        outcome = await socket.outcome()

It shares no code with the gateway, nor with the library that the gateway frames by.
"""

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

from attrs import define, field, frozen

from tests.patience import PATIENCE_S
from tests.servers.raw_http import Line, connection, head
from tests.websocket.frames import CLOSE, PING, PONG, TEXT, Frame, closing, frame, heard

_ACCEPT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PROBE: Final = b"are you there?"


@frozen
class Outcome:
    """What came of what was sent: the pongs, and how it ended, by a close frame (else None) or not at all."""

    pongs: tuple[bytes, ...]
    code: int | None
    is_open: bool = False


@define(eq=False)
class Socket:
    """One that is open, from its client's side."""

    line: Line
    frames: list[Frame] = field(factory=list)
    """All that were heard."""

    async def send(self, sent: bytes, chop: int | None = None) -> None:
        """At once, or so many bytes at a time. A gateway that has left is no error: what it said is to be heard."""
        with suppress(ConnectionError):
            for piece in (sent,) if chop is None else _pieces(sent, chop):
                await self.line.send(piece)

    async def hear(self) -> Frame | None:
        """The next frame; None at the connection's end. Raises NotConforming and TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            frame = await heard(self.line.reader)
        if frame is not None:
            self.frames.append(frame)
        return frame

    async def message(self) -> bytes:
        """The next text."""
        while (frame := await self.hear()) is not None:
            if frame.opcode == TEXT:
                return frame.payload
        raise ConnectionResetError("the connection ended before")

    async def outcome(self) -> Outcome:
        """Whether it still answers, as a ping tells; if not, how it ended. A goodbye is answered."""
        await self.send(frame(PING, _PROBE))
        return await self.ending()

    async def ending(self, *, answers: bool = True) -> Outcome:
        """How it ends, without that more is sent; whether a goodbye is answered is left to say."""
        pongs: list[bytes] = []
        while (told := await self.hear()) is not None:
            if told.opcode == PONG and told.payload == _PROBE:
                return Outcome(tuple(pongs), None, is_open=True)
            if told.opcode == PONG:
                pongs.append(told.payload)
            if told.opcode == CLOSE:
                if answers:
                    await self.send(closing(told.close_code if told.payload else None))
                assert await self.hear() is None, "something was said after the goodbye"
                return Outcome(tuple(pongs), told.close_code)
        return Outcome(tuple(pongs), None)

    async def to_the_end(self) -> list[Frame]:
        """What it hears until it is closed, the goodbye last, which is answered."""
        begin = len(self.frames)
        while (told := await self.hear()) is not None:
            if told.opcode == CLOSE:
                await self.send(closing(told.close_code))
        return self.frames[begin:]

    async def leave(self) -> int | None:
        """Say goodbye; the code of the answer to it."""
        await self.send(closing(1000))
        return (await self.ending(answers=False)).code


@asynccontextmanager
async def opened(port: int, path: str, early: bytes = b"") -> AsyncIterator[Socket]:
    """After a handshake whose answer is right; `early` is sent without waiting for it."""
    async with connection(port) as line:
        key = new_key()
        await line.send(asking(path, key=key) + early)
        answer = await line.answer()
        assert answer.status == 101, answer
        assert answer.headers["sec-websocket-accept"] == accepted(key).lower()
        yield Socket(line)


def new_key() -> str:
    return base64.b64encode(os.urandom(16)).decode()


def accepted(key: str) -> str:
    """What a server makes of it (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _ACCEPT, usedforsecurity=False).digest()).decode()


def asking(
    path: str,
    *more: tuple[str, object],
    key: str | None = "dGhlIHNhbXBsZSBub25jZQ==",
    version: str | None = "13",
    upgrade: str | None = "websocket",
    connection: str | None = "Upgrade",
    method: str = "GET",
    http: str = "1.1",
) -> bytes:
    """A client's handshake (section 4.1); what is None is not sent."""
    headers = {
        "Upgrade": upgrade,
        "Connection": connection,
        "Sec-WebSocket-Version": version,
        "Sec-WebSocket-Key": key,
    }
    sent = [(name, text) for name, text in headers.items() if text is not None]
    return head(method, path, *sent, *more, version=http)


def _pieces(sent: bytes, size: int) -> Iterable[bytes]:
    return (sent[start : start + size] for start in range(0, len(sent), size))

"""The body of a batch of files, multipart/form-data (RFC 7578), read from disk as it is sent.

Its length is known before, so the gateway can refuse it early; at most one file is open, and one piece of it held.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from attrs import define, field, frozen

PIECE_BYTES = 256 * 1024


@frozen
class Part:
    """One image: its name for the gateway, and its bytes or the file that holds them."""

    name: str
    content: bytes | Path
    size: int

    @classmethod
    def of(cls, source: Path | tuple[str, bytes]) -> "Part":
        """Raises OSError when the file can't be read."""
        if isinstance(source, Path):
            return cls(source.name, source, source.stat().st_size)
        return cls(source[0], source[1], len(source[1]))


@define(eq=False)
class Multipart:
    """The body; `failure` keeps what went wrong on our side while it was sent."""

    parts: Sequence[Part]
    failure: OSError | None = None
    _boundary: str = field(factory=lambda: secrets.token_hex(16))

    @property
    def headers(self) -> dict[str, str]:
        heads = sum(len(self._head(part)) + len(b"\r\n") for part in self.parts)
        size = heads + sum(part.size for part in self.parts) + len(self._end)
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(size),
        }

    async def stream(self) -> AsyncIterator[bytes]:
        try:
            for part in self.parts:
                yield self._head(part)
                async for piece in _pieces(part):
                    yield piece
                yield b"\r\n"
            yield self._end
        except OSError as error:
            self.failure = error
            raise

    def _head(self, part: Part) -> bytes:
        """A name is sent as browsers send it (WHATWG HTML, multipart/form-data encoding)."""
        name = part.name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
        head = (
            f"--{self._boundary}\r\n"
            f'Content-Disposition: form-data; name="images"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        return head.encode("utf-8", "replace")

    @property
    def _end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()


async def _pieces(part: Part) -> AsyncIterator[bytes]:
    """Exactly `part.size` bytes, for that many were announced."""
    if isinstance(part.content, bytes):
        yield part.content
        return
    file = await asyncio.to_thread(os.open, part.content, os.O_RDONLY)
    try:
        left = part.size
        while left:
            piece = await asyncio.to_thread(os.read, file, min(left, PIECE_BYTES))
            if not piece:
                raise OSError(f"{part.content} became shorter while it was sent")
            left -= len(piece)
            yield piece
    finally:
        os.close(file)

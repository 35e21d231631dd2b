"""The body of a batch, images and what is asked for with them.

Files and bytes go as multipart/form-data (RFC 7578), read as they are sent: its length is known before, so the gateway
can refuse it early; at most one file is open, and one piece of it held. Beside URLs they go in JSON, which is held.
"""

import asyncio
import base64
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeGuard

from attrs import define, field, frozen

from gateway.client.sources import ImageSource, LocalImage, sources_of

PIECE_BYTES = 256 * 1024


class Body(Protocol):
    """It may be sent again and again. `failure` is what went wrong on our side while it was sent last."""

    @property
    def failure(self) -> OSError | None: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def stream(self) -> AsyncIterator[bytes]: ...


@frozen
class Part:
    """What the gateway is told of it, and its bytes or the file that holds them."""

    headers: str
    content: bytes | Path
    size: int

    @classmethod
    def image(cls, source: LocalImage) -> "Part":
        """Raises OSError when the file can't be read."""
        if isinstance(source, Path):
            return cls(_headers_of_image(source.name), source, source.stat().st_size)
        return cls(_headers_of_image(source[0]), source[1], len(source[1]))

    @classmethod
    def options(cls, options: Mapping[str, Any]) -> "Part":
        """What is asked for with the batch."""
        document = json.dumps(options).encode()
        return cls('Content-Disposition: form-data; name="options"', document, len(document))


@define(eq=False)
class Multipart:
    """A form."""

    parts: Sequence[Part]
    failure: OSError | None = None
    _boundary: str = field(factory=lambda: secrets.token_hex(16))

    @property
    def headers(self) -> Mapping[str, str]:
        heads = sum(len(self._head(part)) + len(b"\r\n") for part in self.parts)
        size = heads + sum(part.size for part in self.parts) + len(self._end)
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(size),
        }

    async def stream(self) -> AsyncIterator[bytes]:
        self.failure = None
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
        return f"--{self._boundary}\r\n{part.headers}\r\n\r\n".encode("utf-8", "replace")

    @property
    def _end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()


@frozen(eq=False)
class Document:
    """JSON."""

    content: bytes
    failure: None = None

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Content-Type": "application/json", "Content-Length": str(len(self.content))}

    async def stream(self) -> AsyncIterator[bytes]:
        for piece in _cut(self.content):
            yield piece


async def watched(
    pieces: AsyncIterator[bytes], taking: asyncio.Timeout, silence_s: float
) -> AsyncIterator[bytes]:
    """The same pieces; `taking` ends when one of them is not taken for so long. The time to get one is ours."""
    loop = asyncio.get_running_loop()
    async for piece in pieces:
        _limit(taking, loop.time() + silence_s)
        yield piece
        _limit(taking, None)


def _limit(taking: asyncio.Timeout, when: float | None) -> None:
    with contextlib.suppress(
        RuntimeError
    ):  # the answer came before the end of the body: nobody waits any more
        taking.reschedule(when)


def body_of(images: Iterable[ImageSource], options: Mapping[str, Any]) -> Body:
    """Raises TypeError and ValueError as `sources_of` does, OSError for a file that can't be read."""
    sources = sources_of(images)
    if _are_local(sources):
        said = [Part.options(options)] if options else []
        return Multipart([*said, *map(Part.image, sources)])
    batch = {"images": list(map(_described, sources))} | ({"options": options} if options else {})
    return Document(json.dumps(batch).encode())


def _are_local(images: Sequence[ImageSource]) -> TypeGuard[Sequence[LocalImage]]:
    return not any(isinstance(image, str) for image in images)


def _described(image: ImageSource) -> Mapping[str, str]:
    if isinstance(image, str):
        return {"url": image}
    name, content = (image.name, image.read_bytes()) if isinstance(image, Path) else image
    return {"base64": base64.b64encode(content).decode(), "name": name}


def _headers_of_image(name: str) -> str:
    """A name is sent as browsers send it (WHATWG HTML, multipart/form-data encoding)."""
    name = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    return (
        f'Content-Disposition: form-data; name="images"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream"
    )


async def _pieces(part: Part) -> AsyncIterator[bytes]:
    """Exactly `part.size` bytes, for that many were announced."""
    if isinstance(part.content, bytes):
        for piece in _cut(part.content):
            yield piece
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


def _cut(content: bytes) -> Iterator[bytes]:
    return (content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES))

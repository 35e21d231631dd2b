"""The first piece of an image: all of it, if it is small."""

from collections.abc import AsyncIterator
from typing import Final

from attrs import frozen

from gateway.errors import ContentError

PIECE_BYTES: Final = 256 * 1024
_SMALL_BYTES: Final = 4096
"""What is smaller together is joined: a chunk of two bytes takes twenty times as much of memory."""


@frozen(eq=False)
class Beginning:
    """What was read of a body, which only the chunk that completes it takes beyond PIECE_BYTES, and the rest of it."""

    size: int
    is_all: bool
    """Whether nothing comes of the rest but, perhaps, why the body breaks off."""
    _chunks: list[bytes]
    rest: AsyncIterator[bytes]

    @classmethod
    async def of(cls, body: AsyncIterator[bytes]) -> "Beginning":
        """Raises what `body` raises, but for a ContentError, which comes of the rest."""
        chunks, size = list[bytes](), 0
        try:
            async for chunk in body:
                if chunks and len(chunks[-1]) + len(chunk) <= _SMALL_BYTES:
                    chunks[-1] += chunk
                else:
                    chunks.append(chunk)
                size += len(chunk)
                if size >= PIECE_BYTES:
                    return cls(size, False, chunks, body)
        except ContentError as error:
            return cls(size, True, chunks, _broken(error))
        return cls(size, True, chunks, body)

    async def whole(self) -> AsyncIterator[bytes]:
        """All of the body, once; what was read is let go as it passes."""
        self._chunks.reverse()
        while self._chunks:
            yield self._chunks.pop()
        async for chunk in self.rest:
            yield chunk


async def _broken(error: ContentError) -> AsyncIterator[bytes]:
    for chunk in list[bytes]():
        yield chunk
    raise error

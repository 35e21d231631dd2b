"""Cuts what comes in pieces into lines."""

from collections.abc import AsyncGenerator, AsyncIterable


async def lines(pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Without their ends; what stands behind the last end is none."""
    held = bytearray()
    async for piece in pieces:
        first, *others = piece.split(b"\n")
        held += first
        for other in others:
            yield bytes(held)
            held = bytearray(other)

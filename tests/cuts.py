"""Bodies as they arrive: in pieces, cut anywhere."""

import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import pairwise
from random import Random

from attrs import frozen


def cut(body: bytes, chance: Random) -> list[bytes]:
    """The body in pieces, none of them empty: whole, in two, in a few, or in single bytes."""
    if len(body) < 2:
        return [body] if body else []
    borders = chance.choice((0, 1, 1, 5, 20, len(body)))
    if borders == len(body):
        return [body[at : at + 1] for at in range(len(body))]
    at = sorted({0, *(chance.randrange(1, len(body)) for _ in range(borders)), len(body)})
    return [body[start:end] for start, end in pairwise(at)]


def cut_the_same(body: bytes) -> list[bytes]:
    """As `cut` does it, always the same for the same body."""
    return cut(body, Random(zlib.crc32(body)))


def arriving(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """No generator: who leaves it in the middle has nothing to close."""
    return _Arriving(iter(pieces))


@frozen(eq=False)
class _Arriving(AsyncIterator[bytes]):
    _pieces: Iterator[bytes]

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration

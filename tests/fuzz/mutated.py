"""What is kept, changed at random, the same each time for one seed: fuzzing without anything that leads it."""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

MAX_BYTES: Final = 16 * 1024


def mutations(kept: Sequence[bytes], words: Sequence[bytes], *, seed: int, count: int) -> Iterator[bytes]:
    """So many."""
    chance = Random(seed)
    for _ in range(count):
        data = bytearray(chance.choice(kept))
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            other = chance.choice(kept) if chance.random() < 0.1 else chance.choice(words)
            chance.choice(CHANGES)(data, chance.randint(0, len(data)), other, chance)
        yield bytes(data[:MAX_BYTES])


def _flip(data: bytearray, at: int, _: bytes, chance: Random) -> None:
    if at < len(data):
        data[at] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, at: int, other: bytes, _: Random) -> None:
    data[at : at + len(other)] = other


def _insert(data: bytearray, at: int, other: bytes, _: Random) -> None:
    data[at:at] = other


def _remove(data: bytearray, at: int, _: bytes, chance: Random) -> None:
    del data[at : at + chance.choice((1, 1, 2, 20, 200))]


def _double(data: bytearray, at: int, _: bytes, chance: Random) -> None:
    data[at:at] = data[at : at + chance.choice((1, 10, 100))]


def _cut_off(data: bytearray, at: int, _: bytes, chance: Random) -> None:
    del data[at:]


CHANGES: Final[Sequence[Callable[[bytearray, int, bytes, Random], None]]] = (
    _flip, _overwrite, _insert, _insert, _remove, _double, _cut_off,
)  # fmt: skip

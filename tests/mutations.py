"""Real files whose metadata was damaged at random, the same each time for one seed."""

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from gateway.metadata import Metadata
from gateway.processor.container.parts import EXIF, Part, parts
from gateway.processor.tags import write_tags
from tests.pictures import png_with_exif
from tests.real_files import real_files

MAX_FILE_BYTES: Final = 100_000
WORDS: Final = Metadata("A title", "A description", ("one keyword", "another", "夜景"), "local/test")
TELLING: Final = (
    b"\0",
    b"\x80",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff" * 4,
    b"\0" * 4,
    b"<",
    b">",
    b"&",
    b'"',
)
"""What parsers stumble over: ends of ranges, and what XML is made of."""


def mutations(seed: int, count: int) -> Iterator[bytes]:
    """So many images."""
    chance = random.Random(seed)
    for _ in range(count):
        image = chance.choice(seeds())
        for part in reversed([part for part in parts(image) if part.metadata]):
            if chance.random() < 0.7:
                image = image[: part.start] + mutated(image, part, chance) + image[part.end :]
        yield image


@cache
def seeds() -> list[bytes]:
    """Files with metadata, as they are, tagged (so with EXIF, IPTC and XMP), and with their EXIF in a PNG."""
    images = [image for _, read in sorted(real_files().items()) if len(image := read()) <= MAX_FILE_BYTES]
    with_metadata = [image for image in images if any(part.metadata for part in parts(image))]
    in_pngs = [
        png_with_exif(image[part.content : part.end].removeprefix(b"Exif\0\0"))
        for image in images[::3]
        for part in parts(image)
        if part.metadata == EXIF
    ]
    tagged = [write_tags(image, WORDS) for image in images[::3] + in_pngs]
    return [*with_metadata, *in_pngs, *tagged]


def mutated(image: bytes, part: Part, chance: random.Random) -> bytes:
    """The part with other content; its length and checksum fit it, as otherwise it would be another part."""
    content = bytearray(image[part.content : part.end - (0 if len(part.kind) == 1 else 4)])
    start = min(len(part.metadata), len(content))
    for _ in range(chance.randint(1, 8)):
        chance.choice(CHANGES)(content, chance.randint(start, len(content)), chance)
    if len(part.kind) == 1:
        fitting = bytes(content[: 0xFFFF - 2])
        return b"\xff" + part.kind + struct.pack(">H", len(fitting) + 2) + fitting
    checksum = zlib.crc32(part.kind + content)
    return struct.pack(">I", len(content)) + part.kind + content + struct.pack(">I", checksum)


def _overwrite(content: bytearray, at: int, chance: random.Random) -> None:
    telling = chance.choice(TELLING)
    content[at : at + len(telling)] = telling


def _flip(content: bytearray, at: int, chance: random.Random) -> None:
    if at < len(content):
        content[at] ^= 1 << chance.randrange(8)


def _insert(content: bytearray, at: int, chance: random.Random) -> None:
    content[at:at] = chance.choice(TELLING) * chance.randint(1, 40)


def _remove(content: bytearray, at: int, chance: random.Random) -> None:
    del content[at : at + chance.randint(1, 200)]


def _double(content: bytearray, at: int, chance: random.Random) -> None:
    content[at:at] = content[at : at + chance.randint(1, 2_000)]


CHANGES: Final[list[Callable[[bytearray, int, random.Random], None]]] = [
    _overwrite,
    _flip,
    _insert,
    _remove,
    _double,
]

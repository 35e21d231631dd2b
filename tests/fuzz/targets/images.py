"""An image's structure and size, cut anywhere: nothing but ContentError is raised, the verdict does not depend on the
cuts, size and frames are those that Pillow reads, and what is taken within narrow bounds is taken within wide ones. A
right image is taken whatever its comment is."""

import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from typing import Final

from attrs import frozen
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from gateway.errors import ContentError
from gateway.images.inspect import STRUCTURE_ALONE, ImageFacts, ImageLimits, ImageType, Inspector
from tests.cuts import cut_the_same
from tests.photos import a_jpeg
from tests.png_parts import chunk, png

WORDS: Final = (
    b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xda", b"\xff\xc0\0\x0b\x08", b"\xff\xc2", b"\xff\xc4", b"\xff\xe0",
    b"\xff\xe1", b"Exif\0\0", b"MPF\0", b"\xff\xd0", b"\xff\0", b"\xff\xff", b"\x89PNG\r\n\x1a\n", b"IHDR",
    b"PLTE", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"zTXt", b"eXIf",
)  # fmt: skip


FROM_NARROW_TO_WIDE: Final = (
    ImageLimits(max_pixels=500, max_frames=2, max_trailing_bytes=16, max_metadata_bytes=200),
    ImageLimits(),
    STRUCTURE_ALONE,
)
A_JPEG: Final = a_jpeg(64, 48)


@frozen
class Refused:
    code: str
    text: str


def check(data: bytes) -> None:
    """As it is, as it were if whoever broke it had known the checksums of PNG, and as a comment."""
    for image in {data, with_right_checksums(data)}:
        verdicts = [verdict_on(image, limits) for limits in FROM_NARROW_TO_WIDE]
        facts = [verdict for verdict in verdicts if isinstance(verdict, ImageFacts)]
        assert facts == verdicts[len(verdicts) - len(facts) :]
        if facts and (extent := extent_by_pillow(image)) is not None:
            assert all(extent_of(each) == extent for each in facts)
    assert verdict_on(jpeg_with(data), ImageLimits()) == ImageFacts(ImageType.JPEG, 64, 48)
    assert verdict_on(png(chunk(b"coMm", data)), ImageLimits()) == ImageFacts(ImageType.PNG, 48, 32)


def verdict_on(image: bytes, limits: ImageLimits) -> ImageFacts | Refused:
    """However it is cut."""
    verdict = inspected([image], limits)
    assert inspected(cut_the_same(image), limits) == verdict
    return verdict


def inspected(pieces: Sequence[bytes], limits: ImageLimits) -> ImageFacts | Refused:
    inspector = Inspector(limits)
    try:
        for piece in pieces:
            inspector.feed(piece)
        return inspector.finish()
    except ContentError as error:
        return Refused(error.code, error.text)


def extent_of(facts: ImageFacts) -> tuple[int, int, int]:
    """Width, height and frames; of a JPEG, whose index of pictures Pillow judges more strictly, one."""
    return facts.width, facts.height, facts.frames if facts.type is ImageType.PNG else 1


def extent_by_pillow(image: bytes) -> tuple[int, int, int] | None:
    """The same; None for what Pillow does not take."""
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(image), formats=("JPEG", "PNG")) as opened,
        ):
            return *opened.size, opened.n_frames if isinstance(opened, PngImageFile) else 1
    except Exception:  # noqa: BLE001  whatever its decoders raise
        return None


def jpeg_with(comment: bytes) -> bytes:
    segment = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
    return A_JPEG[:2] + segment + A_JPEG[2:]


def with_right_checksums(data: bytes) -> bytes:
    """A PNG whose whole chunks have the checksums that fit them; anything else as it is."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    repaired, at = bytearray(data), 8
    while at + 12 <= len(data) and (end := at + 12 + int.from_bytes(data[at : at + 4])) <= len(data):
        repaired[end - 4 : end] = struct.pack(">I", zlib.crc32(data[at + 4 : end - 4]))
        at = end
    return bytes(repaired)

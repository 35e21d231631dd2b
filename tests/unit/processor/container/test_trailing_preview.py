"""A preview behind the end is found where EXIF says, however much metadata has grown before it."""

import struct
import subprocess

import pytest

from gateway.metadata import Metadata
from gateway.processor.container.trailing_preview import with_current_offset
from gateway.processor.tags import write_tags
from tests.pictures import jpeg_with_exif, picture_data, plain

PREVIEW = plain("JPEG")
WORDS = Metadata("A title", "A description", ("keyword",))
OFFSET, LENGTH = 0x0201, 0x0202  # JPEGInterchangeFormat of the second directory


def exif(offset: int, byte_order: str) -> bytes:
    """Without a first field; the second directory says where its picture is."""
    order = "<" if byte_order == "II" else ">"
    fields = [(OFFSET, 4, 1, offset), (LENGTH, 4, 1, len(PREVIEW))]
    second = struct.pack(order + "H", 2) + b"".join(struct.pack(order + "HHII", *field) for field in fields)
    return byte_order.encode() + struct.pack(order + "HIHI", 42, 8, 0, 14) + second + bytes(4)


def with_preview(byte_order: str = "II", gap: bytes = b"") -> bytes:
    """Some makers leave a gap before it."""
    picture = plain("JPEG")
    from_block = len(jpeg_with_exif(picture, exif(0, byte_order))) - len(b"\xff\xd8\xff\xe1llExif\0\0")
    return jpeg_with_exif(picture, exif(from_block + len(gap), byte_order)) + gap + PREVIEW


@pytest.mark.parametrize("byte_order", ["II", "MM"])
@pytest.mark.parametrize("gap", [b"", bytes(30)], ids=["at once", "after a gap"])
def test_it_is_found_in_the_tagged_image(byte_order: str, gap: bytes) -> None:
    image = with_preview(byte_order, gap)
    tagged = write_tags(image, WORDS)
    assert thumbnail(image) == PREVIEW
    assert thumbnail(tagged) == PREVIEW
    assert picture_data(tagged) == picture_data(image)


def test_tagging_twice_gives_the_same_file() -> None:
    once = write_tags(with_preview(), WORDS)
    assert write_tags(once, WORDS) == once


def test_a_number_that_could_be_another_one_is_left_alone() -> None:
    image = with_preview()
    twice = image.replace(struct.pack("<HH", LENGTH, 4), struct.pack("<HH", OFFSET, 4)).replace(
        struct.pack("<I", len(PREVIEW)), offset_in(image), 1
    )
    longer = twice.replace(PREVIEW, b"\xff\xfe\0\2" + PREVIEW, 1)
    assert with_current_offset(twice, longer) == longer


def test_without_a_preview_nothing_changes() -> None:
    image = jpeg_with_exif(plain("JPEG"), exif(12345, "II"))
    assert with_current_offset(image, image + b"trailer") == image + b"trailer"


def offset_in(image: bytes) -> bytes:
    place = image.index(struct.pack("<HHI", OFFSET, 4, 1)) + 8
    return image[place : place + 4]


def thumbnail(image: bytes) -> bytes:
    return subprocess.run(
        ["exiftool", "-b", "-ThumbnailImage", "-"], input=image, capture_output=True, check=True
    ).stdout

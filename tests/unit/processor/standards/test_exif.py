"""Where the EXIF of an image gets title and description, and where it is left alone."""

import zlib

import pytest

from gateway.metadata import Metadata
from gateway.processor.container.grafting import chunk, segment
from gateway.processor.standards import exif
from gateway.processor.standards.exif_block import new_block
from gateway.processor.tags import write_tags
from gateway.processor.words.policy import Changes
from tests.jpeg_parts import SOI
from tests.pictures import jpeg_with_exif, plain, png_with_exif, tags_of

CHANGES = Changes(title="A title", description="A description")
OLD = new_block(None, description="An old description")
TIFF_HEADER = b"II*\0\x08\0\0\0"
FIRST_CHUNK_END = 33


@pytest.mark.parametrize("image", [plain("JPEG"), plain("PNG")], ids=["JPEG", "PNG"])
def test_an_image_without_exif_gets_one(image: bytes) -> None:
    ((piece,),) = exif.changed(image, CHANGES).values()
    assert b"A description\0" in piece
    assert "A title".encode("utf-16-le") in piece


@pytest.mark.parametrize(
    "image", [jpeg_with_exif(plain("JPEG"), OLD), png_with_exif(OLD)], ids=["JPEG", "PNG"]
)
class TestAnImageWithExif:
    def test_is_read(self, image: bytes) -> None:
        assert exif.read(image).description == "An old description"

    def test_keeps_what_it_says_already(self, image: bytes) -> None:
        assert exif.changed(image, Changes(description="An old description", keywords=("a",))) == {}

    def test_gets_the_words_into_it(self, image: bytes) -> None:
        ((piece,),) = exif.changed(image, CHANGES).values()
        assert b"A description\0" in piece


def test_words_that_exif_has_no_field_for_change_nothing() -> None:
    assert exif.changed(plain("JPEG"), Changes(keywords=("a",), writer="b")) == {}


def test_exif_that_cannot_be_read_stays() -> None:
    assert exif.changed(jpeg_with_exif(plain("JPEG"), b"II*\0\xff\xff\xff\xff"), CHANGES) == {}


@pytest.mark.parametrize("left", [0, 100])
def test_exif_without_room_stays(left: int) -> None:
    largest = 0xFFFF - 2 - len(b"Exif\0\0")
    block = TIFF_HEADER + bytes(2 + 4) + bytes(largest - len(TIFF_HEADER) - 6 - left)
    assert bool(exif.changed(jpeg_with_exif(plain("JPEG"), block), CHANGES)) == (left > 0)


def test_a_second_block_stays() -> None:
    second = segment(0xE1, b"Exif\0\0another")
    image = jpeg_with_exif(SOI + second + plain("JPEG")[2:], OLD)
    ((_, kept),) = exif.changed(image, CHANGES).values()
    assert kept == second


def test_a_second_block_of_a_png_stays() -> None:
    second, image = chunk(b"eXIf", b"another"), png_with_exif(OLD)
    image = image[: image.index(b"IDAT") - 4] + second + image[image.index(b"IDAT") - 4 :]
    assert exif.changed(image, CHANGES)[b"eXIf"][1:] == [second]


def test_exif_as_text_stays_the_only_one() -> None:
    as_text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n      20\n00\n"))
    image = plain("PNG")
    assert exif.changed(image[:FIRST_CHUNK_END] + as_text + image[FIRST_CHUNK_END:], CHANGES) == {}


@pytest.mark.parametrize("name", [b"exif", b"APP1"])
@pytest.mark.parametrize("head", [b"", b"Exif\0\0"])
def test_exif_as_text_is_read_so_that_a_persons_words_are_not_written_over(name: bytes, head: bytes) -> None:
    content = b"\n%b\n%8d\n%b\n" % (name, len(head + OLD), (head + OLD).hex().encode())
    as_text = chunk(b"zTXt", b"Raw profile type " + name + b"\0\0" + zlib.compress(content))
    image = plain("PNG")
    image = image[:FIRST_CHUNK_END] + as_text + image[FIRST_CHUNK_END:]
    assert exif.read(image).description == "An old description"
    assert "XMP-dc:Description" not in tags_of(write_tags(image, Metadata("A title", "A description")))

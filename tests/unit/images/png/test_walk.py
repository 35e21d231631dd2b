"""What a PNG must be: image data as large as its header says, and the rest within bounds."""

import io
import random
import struct
import zlib

import pytest
from PIL import Image

from gateway.errors import ContentError
from gateway.images.inspect import STRUCTURE_ALONE, ImageLimits, Inspector
from gateway.images.limits import MAX_METADATA_BYTES
from gateway.images.png.header import PngHeader
from gateway.images.png.walk import MAX_CHUNKS
from tests.hostile_images import MIB, a_bomb
from tests.inspected import inspect, refused
from tests.png_parts import SIGNATURE, chunk, idat, ihdr, png, rows
from tests.traced_memory import traced_memory

SIZES = [(1, 1), (2, 1), (3, 5), (5, 3), (8, 8), (9, 9), (33, 17)]
KINDS = {"1": (1, 0), "L": (8, 0), "P": (8, 3), "I;16": (16, 0), "LA": (8, 4), "RGB": (8, 2), "RGBA": (8, 6)}


def feed_in_bytes(inspector: Inspector, data: bytes) -> None:
    for byte in data:
        inspector.feed(bytes([byte]))


def packed(pixels: bytes, *, level: int = 9) -> bytes:
    return chunk(b"IDAT", zlib.compress(pixels, level))


def in_pieces(data: bytes, size: int) -> bytes:
    """The same image data in more chunks."""
    content = data[8:-4]
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(chunk(b"IDAT", piece) for piece in pieces)


@pytest.mark.parametrize("mode", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_the_size_of_image_data_is_told_from_the_header(mode: str, size: tuple[int, int]) -> None:
    file = io.BytesIO()
    Image.new(mode, size).save(file, "PNG")

    assert inspect(file.getvalue()).width == size[0]


ADAM7 = [(1, 1, 1 + 1), (8, 8, 15 * 1 + 64), (5, 3, 7 + 15), (2, 2, 3 + 4)]
"""Width, height, bytes of interlaced grey pixels: one for each row of each pass that has any, and the pixels."""


@pytest.mark.parametrize(("width", "height", "expected"), ADAM7)
def test_interlaced_image_data_has_the_rows_of_its_passes(width: int, height: int, expected: int) -> None:
    header = PngHeader(width, height, 8, is_interlaced=True)

    assert header.unpacked_bytes(width, height) == expected


def test_an_interlaced_picture_is_taken() -> None:
    header = ihdr(8, 8, colour_type=0, interlace=1)

    assert inspect(png(header=header, data=packed(bytes(79)))).height == 8


@pytest.mark.parametrize("level", [0, 1, 9])
def test_image_data_of_any_compression_is_taken(level: int) -> None:
    noise = random.Random(0).randbytes(len(rows(200, 200)))

    assert inspect(png(header=ihdr(200, 200), data=packed(noise, level=level))).width == 200


@pytest.mark.parametrize("size", [1, 7, 8192])
def test_image_data_may_come_in_any_number_of_chunks(size: int) -> None:
    assert inspect(png(data=in_pieces(idat(), size))).width == 48


def test_a_byte_too_much_is_more_than_the_header_says() -> None:
    assert refused(png(data=idat(rows() + b"\0"))).code == "decompression_bomb"


def test_a_byte_too_few_is_less_than_the_header_says() -> None:
    error = refused(png(data=idat(rows()[:-1])))

    assert error.code == "damaged"
    assert "smaller than its header says" in error.text


def test_compressed_data_without_its_end_is_damaged() -> None:
    content = zlib.compress(rows())

    assert "ends too early" in refused(png(data=chunk(b"IDAT", content[:-4]))).text


def test_compressed_data_with_a_wrong_checksum_is_damaged() -> None:
    content = zlib.compress(rows())

    assert "broken" in refused(png(data=chunk(b"IDAT", content[:-1] + b"?"))).text


def test_some_bytes_behind_the_compressed_data_are_tolerated() -> None:
    """As encoders that pad their chunks write them."""
    assert inspect(png(data=chunk(b"IDAT", zlib.compress(rows()) + b"\0\0"))).width == 48


def test_more_bytes_there_are_data_behind_the_end() -> None:
    at_once = chunk(b"IDAT", zlib.compress(rows()) + bytes(101))
    bit_by_bit = idat() + chunk(b"IDAT", bytes(51)) + chunk(b"IDAT", bytes(50))
    limits = ImageLimits(max_trailing_bytes=100)

    assert refused(png(data=at_once), limits).code == "trailing_data"
    assert refused(png(data=bit_by_bit), limits).code == "trailing_data"


def test_image_data_in_two_places_is_damaged() -> None:
    assert "several places" in refused(png(behind=chunk(b"tEXt", b"a\0b") + idat())).text


def test_image_data_that_something_stands_in_is_damaged() -> None:
    pieces = in_pieces(idat(), 20)

    assert refused(png(data=pieces[:32] + chunk(b"tEXt", b"a\0b") + pieces[32:])).code == "damaged"


def test_a_bomb_is_refused_at_its_first_byte_too_much() -> None:
    bomb = a_bomb()
    with traced_memory() as traced:
        refused(bomb)

    assert traced.peak_bytes < 1 * MIB


def test_whether_it_is_too_much_or_broken_does_not_depend_on_how_it_came() -> None:
    """Zlib gives nothing back of what it unpacked in a call that ends in an error."""
    broken_and_too_much = png(data=chunk(b"IDAT", zlib.compress(rows() + bytes(100))[:-4] + b"????"))
    inspector = Inspector()
    with pytest.raises(ContentError) as in_bytes:
        feed_in_bytes(inspector, broken_and_too_much)

    assert in_bytes.value.text == refused(broken_and_too_much).text


def test_a_picture_of_many_pixels_is_unpacked_in_little_memory() -> None:
    data = packed(rows(5000, 5000))
    image = png(header=ihdr(5000, 5000), data=data)
    with traced_memory() as traced:
        inspect(image)

    assert traced.peak_bytes < 1 * MIB


def test_endless_metadata_is_refused_by_what_its_length_says() -> None:
    head = SIGNATURE + ihdr() + struct.pack(">I4s", MAX_METADATA_BYTES + 1, b"iTXt")
    inspector = Inspector()

    with pytest.raises(ContentError, match="metadata"):
        inspector.feed(head)


def test_metadata_behind_the_image_data_counts_too() -> None:
    note = chunk(b"tEXt", bytes(MIB))

    assert refused(png(behind=note * (MAX_METADATA_BYTES // MIB + 1))).code == "too_much_metadata"


def test_image_data_of_no_bytes_is_damaged() -> None:
    assert "ends too early" in refused(png(data=chunk(b"IDAT") * 2)).text


def test_too_many_chunks_are_refused() -> None:
    assert "too many PNG chunks" in refused(png(chunk(b"teSt") * MAX_CHUNKS)).text


def test_of_an_image_that_was_taken_before_the_structure_alone_is_looked_at() -> None:
    assert inspect(png(data=idat(b"no pixels")), STRUCTURE_ALONE).width == 48

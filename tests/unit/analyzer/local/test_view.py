"""Decoding: every kind of JPEG and PNG, turned upright; what can't be decoded fails with a clean text."""

import io
import struct
import zlib

import pytest
from PIL import Image

from gateway.analyzer.local.describe import describe
from gateway.analyzer.local.view import view_of
from gateway.analyzer.provider import AnalysisFailed
from gateway.errors import ContentError
from gateway.images.inspect import MAX_PIXELS
from tests.drawn import BLUE, ORANGE, a_chessboard, a_file, a_picture, an_exif, words_for

STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""By EXIF's orientation (EXIF 2.32, 4.6.4): 6 is a camera held so that its right side was up."""


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(orientation: int) -> None:
    """Stored so that a viewer that follows the EXIF shows it with its orange half above and a black left border."""
    upright = a_picture(ORANGE, BLUE, size=(60, 40))
    upright.paste("black", (0, 0, 8, 40))
    stored = upright.transpose(STORED_AS[orientation]) if orientation in STORED_AS else upright
    view = view_of(a_file(stored, "PNG", an_exif(orientation=orientation)), MAX_PIXELS)
    assert (view.width, view.height) == (60, 40)
    assert view.picture.tobytes() == upright.tobytes()


def test_what_shines_through_is_seen_on_white() -> None:
    picture = Image.new("RGBA", (10, 10), (*BLUE, 0))
    view = view_of(a_file(picture, "PNG"), MAX_PIXELS)
    assert view.on_white.getcolors() == [(100, (255, 255, 255))]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_read(mode: str) -> None:
    assert words_for(a_file(Image.new(mode, (700, 400)), "PNG"), "beach.png").title == "Beach"


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
def test_every_kind_of_jpeg_is_read(mode: str) -> None:
    assert words_for(a_file(Image.new(mode, (700, 400))), "beach.jpg").title == "Beach"


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    picture = Image.new("I;16", (100, 100), 20 * 256)
    assert "dark" in words_for(a_file(picture, "PNG"), "x").keywords


def a_png_that_claims(width: int, height: int, data: bytes = zlib.compress(b"")) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def a_gif() -> bytes:
    file = io.BytesIO()
    Image.new("P", (8, 8)).save(file, "GIF")
    return file.getvalue()


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"no image",
        a_gif(),
        a_file(a_chessboard())[:3000],
        a_file(a_chessboard(), "PNG")[:600],
        a_png_that_claims(10, 10),
        a_png_that_claims(10, 10, b"garbage"),
        a_png_that_claims(0, 10),
    ],
    ids=["empty", "text", "gif", "cut jpeg", "cut png", "no data", "garbage", "no width"],
)
def test_what_cannot_be_decoded_fails_with_a_clean_text(image: bytes) -> None:
    with pytest.raises(AnalysisFailed) as caught:
        describe(image, "beach.jpg")
    assert isinstance(caught.value, ContentError)
    assert caught.value.code == "analysis_failed"
    assert "0x" not in caught.value.text
    assert "BytesIO" not in caught.value.text


@pytest.mark.parametrize("size", [(10_001, 10_000), (50_000, 50_000)])
def test_a_picture_of_too_many_pixels_is_not_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(AnalysisFailed, match="too many pixels"):
        describe(a_png_that_claims(*size), "beach.png")


def test_the_bound_of_pixels_is_the_one_that_is_given() -> None:
    picture = a_file(Image.new("L", (20, 10)), "PNG")
    assert describe(picture, "beach.png", max_pixels=200).metadata.title == "Beach"
    with pytest.raises(AnalysisFailed, match="more than 199"):
        describe(picture, "beach.png", max_pixels=199)

"""Shape, brightness and sharpness, told when they are plain."""

import pytest
from PIL import Image, ImageFilter

from tests.drawn import BLUE, ORANGE, a_chessboard, a_picture, described


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((300, 200), "landscape format"),
        ((200, 300), "portrait format"),
        ((200, 200), "square format"),
        ((600, 200), "panorama"),
        ((1, 1), "square format"),
    ],
)
def test_the_shape_is_a_keyword(size: tuple[int, int], shape: str) -> None:
    assert described(a_picture(ORANGE, size=size)).keywords[-1] == shape


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_shape_is_that_of_the_upright_picture(orientation: int) -> None:
    assert "portrait format" in described(a_picture(ORANGE), orientation=orientation).keywords


@pytest.mark.parametrize(
    ("colour", "keyword"), [((20, 12, 10), "dark"), ((250, 240, 230), "bright"), ((140, 120, 90), None)]
)
def test_brightness_is_told_when_it_is_plain(colour: tuple[int, int, int], keyword: str | None) -> None:
    told = {"dark", "bright"} & set(described(a_picture(colour)).keywords)
    assert told == ({keyword} if keyword else set())


def test_a_picture_out_of_focus_is_called_blurred() -> None:
    assert "blurred" in described(a_chessboard().filter(ImageFilter.GaussianBlur(10))).keywords


@pytest.mark.parametrize(
    "picture",
    [
        a_chessboard(),
        a_chessboard().filter(ImageFilter.GaussianBlur(1)),
        a_picture(BLUE),
        Image.linear_gradient("L").resize((600, 600)).convert("RGB"),
    ],
    ids=["sharp", "nearly sharp", "plain", "gradient"],
)
def test_nothing_is_called_blurred_that_may_be_sharp(picture: Image.Image) -> None:
    assert "blurred" not in described(picture).keywords

"""Colours by the names that people use for them."""

import pytest
from PIL import Image

from gateway.analyzer.local.colours import dominant_colours, name_of
from tests.drawn import BLUE, ORANGE, a_file, a_picture, described, words_for


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "grey"),
        ((255, 0, 0), "red"),
        ((0, 128, 0), "green"),
        ((0, 0, 255), "blue"),
        ((255, 255, 0), "yellow"),
        ((255, 165, 0), "orange"),
        ((128, 0, 128), "purple"),
        ((255, 192, 203), "pink"),
        ((139, 69, 19), "brown"),
        ((0, 0, 128), "dark blue"),
        ((135, 206, 235), "light blue"),
        ((64, 224, 208), "turquoise"),
        ((245, 245, 220), "cream"),
        ((0, 128, 128), "teal"),
    ],
)
def test_colours_have_everyday_names(colour: tuple[int, int, int], name: str) -> None:
    assert name_of(colour) == name


def test_the_larger_colour_comes_first_and_small_ones_are_left_out() -> None:
    picture = a_picture(BLUE, BLUE, BLUE, BLUE, BLUE, BLUE, ORANGE, ORANGE, ORANGE, (60, 145, 60))
    assert dominant_colours(picture) == ("blue", "orange")


def test_shades_of_one_family_are_one_colour() -> None:
    assert dominant_colours(a_picture((60, 145, 60), (25, 70, 35), (115, 115, 45))) == ("green",)


def test_a_picture_in_greys_is_black_and_white() -> None:
    picture = Image.linear_gradient("L").convert("RGB")
    assert described(picture).title == "Black and white"


def test_transparent_pixels_have_no_colour() -> None:
    picture = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    picture.paste((*BLUE, 255), (0, 0, 100, 30))
    assert dominant_colours(picture) == ("blue",)


def test_a_picture_without_an_opaque_pixel_has_no_colours() -> None:
    assert words_for(a_file(Image.new("RGBA", (100, 100), (255, 0, 0, 0)), "PNG"), "x").title == ""

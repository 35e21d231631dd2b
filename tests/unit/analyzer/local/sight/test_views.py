"""gateway.analyzer.local.sight.views: the middle and the whole, as the network was trained to see them."""

import pytest
from PIL import Image, ImageDraw

from gateway.analyzer.local.sight.network import SIZE
from gateway.analyzer.local.sight.views import views_of

WHITE, BLACK = (255 - 127) / 128, (0 - 127) / 128


@pytest.mark.parametrize("size", [(512, 384), (384, 512), (1, 1), (3, 4000), (224, 224)])
def test_a_picture_of_any_size_gives_two_views(size):
    shapes = [view.shape for view in views_of(Image.new("RGB", size))]
    assert shapes == [(SIZE, SIZE, 3), (SIZE, SIZE, 3)]


def test_values_are_from_minus_one_to_one():
    assert {float(value) for view in views_of(Image.new("RGB", (9, 9), "white")) for value in view.flat} == {
        WHITE
    }
    assert {float(value) for view in views_of(Image.new("RGB", (9, 9), "black")) for value in view.flat} == {
        BLACK
    }


def test_red_comes_first():
    first = next(views_of(Image.new("RGB", (9, 9), "red")))
    assert first[0, 0].tolist() == [WHITE, BLACK, BLACK]


def test_the_first_is_the_middle_and_the_second_has_the_edges_too():
    picture = Image.new("RGB", (400, 256), "black")
    ImageDraw.Draw(picture).rectangle((88, 16, 311, 239), fill="white")  # 224 by 224 of a side of 256
    middle, whole = views_of(picture)
    assert middle.min() == pytest.approx(WHITE)
    assert (whole[0].max(), whole[:, 0].max()) == pytest.approx((BLACK, BLACK))

"""gateway.analyzer.local.sight.classify: what is seen in real pictures, and that nothing is seen in others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gateway.analyzer.local.sight.classify import MOST_WORDS, probabilities_of, seen_in
from gateway.analyzer.local.sight.network import CLASSES

PHOTOS = Path(__file__).parent / "photos"
SAMPLES = Path(__file__).parents[5] / "examples" / "photos"
SIZE = (512, 384)
COLOURS = ("white", "black", "grey", "red", "green", "deepskyblue", "saddlebrown")


def opened(photo: str) -> Image.Image:
    return Image.open(PHOTOS / f"{photo}.jpg").convert("RGB")


def a_gradient() -> Image.Image:
    return Image.linear_gradient("L").resize(SIZE).convert("RGB")


def noise(sigma: float) -> Image.Image:
    random = np.random.default_rng(7)
    return Image.fromarray(random.normal(127, sigma, (SIZE[1], SIZE[0], 3)).clip(0, 255).astype(np.uint8))


def stripes() -> Image.Image:
    down, _ = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    return Image.fromarray((down // 16 % 2 * 255).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize(
    ("photo", "word"), [("cat", "cat"), ("coffee", "coffee"), ("coffee", "cup"), ("camera", "camera")]
)
def test_a_photo_gives_the_word_for_what_is_in_it(photo, word):
    seen = seen_in(opened(photo), 0.7)
    assert word in [each.word for each in seen if not each.is_broad]


@pytest.mark.parametrize("photo", ["cat", "coffee", "camera"])
def test_all_that_is_said_of_a_photo_is_right(photo):
    right = {"cat": {"animal", "mammal", "cat"}, "coffee": {"coffee", "cup"}, "camera": {"camera"}}
    assert {each.word for each in seen_in(opened(photo), 0.7)} - right[photo] == set()


@pytest.mark.parametrize(
    "make",
    [
        *(lambda colour=colour: Image.new("RGB", SIZE, colour) for colour in COLOURS),
        a_gradient,
        lambda: noise(20),
        lambda: noise(80),
        stripes,
        lambda: Image.new("RGB", (1, 1)),
    ],
    ids=[*COLOURS, "gradient", "noise", "strong noise", "stripes", "one pixel"],
)
def test_nothing_is_said_of_a_picture_of_nothing(make: Callable[[], Image.Image]):
    assert seen_in(make(), 0.7) == ()


def test_at_most_eight_words_are_said_and_the_most_probable_first():
    seen = seen_in(noise(80), 0.001)
    probabilities = [round(each.probability, 3) for each in seen]
    assert (len(seen), probabilities) == (MOST_WORDS, sorted(probabilities, reverse=True))


def test_probabilities_are_of_all_classes_and_sum_up_to_one():
    found = probabilities_of(opened("cat"))
    assert len(found) == CLASSES
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)


def test_the_picture_stays_as_it_is():
    picture = opened("cat")
    before = picture.tobytes()
    seen_in(picture, 0.7)
    assert picture.tobytes() == before


def test_a_sunset_is_no_building():
    """It is one by 0.72, for its sun looks like a dome; but no dome or tower in particular backs that."""
    sunset = Image.open(SAMPLES / "sunset-over-the-sea.jpg").convert("RGB")
    assert seen_in(sunset, 0.7) == ()

"""tests.benchmarks.tagging: how words are judged."""

import numpy as np
import pytest

from gateway.analyzer.local.sight.network import CLASSES
from gateway.analyzer.local.sight.vocabulary import CLASSES_OF
from tests.benchmarks.tagging.judged import Seen, judged
from tests.benchmarks.tagging.pictures import (
    Picture,
    is_photographed_stamp,
    right_words_of_stamp,
    table_of_photographs,
    table_of_stamps,
)

OWL, SKI = 24, 795


def a_picture(index, *right):
    probabilities = np.zeros(CLASSES, np.float32)
    probabilities[index] = 0.75
    return Seen(Picture(f"picture {index}", b"", frozenset(right)), probabilities)


def test_precision_is_of_words_and_coverage_of_pictures():
    """Of an owl it says owl, bird, animal; of skis skiing, sport; of the third nothing."""
    of_three = judged(
        [a_picture(OWL, "animal", "bird", "owl"), a_picture(SKI, "sport"), a_picture(916, "book")], 0.7
    )
    assert (of_three.precision, of_three.coverage) == pytest.approx((0.8, 2 / 3))
    assert of_three.wrong == [f"picture {SKI}: skiing 0.75"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("animals/birds/owl", {"animal", "bird", "owl"}),
        ("animals/mammals/cats/lion-2", {"animal", "mammal", "big cat", "lion"}),
        ("animals/mammals/bears/toys/edward_bear", {"teddy bear", "toy"}),
        ("plants/flowers/plastic/chuvanna_plastic_poo", {"flower"}),
        ("medical/tooth", set()),
    ],
)
def test_what_is_right_for_a_stamp_is_in_its_name(name, words):
    assert right_words_of_stamp(name) == words


@pytest.mark.parametrize(
    ("name", "is_judged"),
    [
        ("animals/birds/owl", True),
        ("animals/birds/owl_mirror", False),
        ("animals/birds/cartoon/owl", False),
        ("symbols/alphabets/english/a", False),
    ],
)
def test_drawn_stamps_and_other_shapes_of_one_are_not_judged(name, is_judged):
    assert is_photographed_stamp(name) is is_judged


def test_every_word_that_counts_as_right_is_one_that_can_be_written():
    stamps = [words for part in ("right", "wrong") for words in table_of_stamps()[part].values()]
    photographs = [words for files in table_of_photographs().values() for words in files.values()]
    assert {word for words in [*stamps, *photographs] for word in words} - CLASSES_OF.keys() == set()

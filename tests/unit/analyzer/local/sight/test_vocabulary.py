"""gateway.analyzer.local.sight.vocabulary: which words are sure, by the sum of their classes."""

import numpy as np
import pytest

from gateway.analyzer.local.sight.network import CLASSES
from gateway.analyzer.local.sight.vocabulary import BROAD, CLASSES_OF, NARROW, NARROWER_THAN, words_of

BEAGLE, BOXER, TABBY, EGYPTIAN_CAT, OWL, GOLDFISH, ANT, APPLE, LEMON = (
    162,
    242,
    281,
    285,
    24,
    1,
    310,
    948,
    951,
)
WEB_SITE = 916
"""No word is right for it."""


def probabilities(**of_classes):
    """`_162=0.5`; what is left is a web site's."""
    row = np.zeros(CLASSES, np.float32)
    for name, probability in of_classes.items():
        row[int(name[1:])] = probability
    row[WEB_SITE] = 1 - row.sum()
    return row


def words(at=0.7, **of_classes):
    return [each.word for each in words_of(probabilities(**of_classes), at)]


def test_breeds_add_up_to_a_dog():
    assert words(_162=0.4, _242=0.4) == ["dog", "mammal", "animal"]


def test_a_word_less_probable_than_asked_is_not_said():
    assert (words(_162=0.4, _242=0.29), words(_162=0.4, _242=0.31)) == ([], ["dog", "mammal", "animal"])


def test_the_bound_is_the_callers():
    assert words(at=0.95, _285=0.9) == []


def test_narrower_words_come_first_though_they_are_less_probable():
    assert words(_24=0.75, _80=0.2) == ["owl", "bird", "animal"]


def test_of_words_that_have_nothing_in_common_the_most_probable_comes_first():
    assert words(at=0.3, _281=0.35, _951=0.55)[:2] == ["citrus fruit", "cat"]


def test_a_building_comes_before_the_architecture_that_it_may_be():
    assert words(_437=0.6, _839=0.3) == ["architecture"]
    assert words(_437=0.68, _839=0.2, _900=0.1)[:2] == ["building", "architecture"]


def test_a_class_of_two_words_counts_once_in_each():
    seen = {each.word: each.probability for each in words_of(probabilities(_951=0.9), 0.7)}
    assert seen == pytest.approx({"citrus fruit": 0.9, "fruit": 0.9, "food": 0.9})


def test_a_broad_word_that_no_narrower_one_backs_is_a_guess():
    """A close-up of a leaf is 0.75 of an animal, and no animal in particular."""
    assert words(_1=0.2, _310=0.2, _24=0.2, _113=0.2) == []


def test_a_broad_word_that_is_nearly_certain_needs_no_backing():
    assert words(_1=0.3, _310=0.3, _24=0.3) == ["animal"]


def test_a_narrower_word_backs_a_broad_one_before_it_is_sure_itself():
    assert words(_281=0.55, _310=0.2) == ["animal"]


def test_a_word_is_broad_where_a_narrower_one_is_seen_too():
    seen = {each.word: each.is_broad for each in words_of(probabilities(_24=0.9), 0.7)}
    assert seen == {"owl": False, "bird": True, "animal": True}


def test_nothing_is_said_where_all_classes_are_alike():
    assert words_of(np.full(CLASSES, 1 / CLASSES, np.float32), 0.5) == ()


@pytest.mark.parametrize("index", [BEAGLE, BOXER, TABBY, EGYPTIAN_CAT, OWL, GOLDFISH, ANT, APPLE, LEMON])
def test_classes_that_have_a_word_have_a_broad_one(index):
    assert any(index in CLASSES_OF[word] for word in BROAD)


def test_words_are_general_lower_case_and_named_once():
    assert NARROW.keys().isdisjoint(BROAD)
    assert all(word == word.lower() and len(word.split()) <= 2 for word in CLASSES_OF)


def test_no_person_is_called_an_animal_for_looking_like_an_ape():
    """The network knows no people."""
    apes_and_monkeys = range(365, 383)
    assert not [word for word in CLASSES_OF if not CLASSES_OF[word].isdisjoint(apes_and_monkeys)]


def test_all_classes_are_the_networks():
    assert all(classes and min(classes) >= 0 and max(classes) < CLASSES for classes in CLASSES_OF.values())


@pytest.mark.parametrize(
    ("broad", "narrow"),
    [
        ("animal", {"dog", "cat", "bird", "fish", "spider", "mammal", "crab"}),
        ("mammal", {"dog", "cat", "whale", "lemur", "panda"}),
        ("vehicle", {"car", "truck", "bus", "train", "tram", "boat", "ship", "airplane", "bicycle", "watercraft"}),
        ("watercraft", {"boat", "ship"}),
        ("building", {"castle", "church", "lighthouse", "palace", "mosque"}),
        ("plant", {"flower"}),
        ("food", {"fruit", "vegetable", "bread", "pizza", "dessert"}),
        ("musical instrument", {"guitar", "piano", "drum", "violin", "cello"}),
        ("clothing", {"hat", "shoes"}),
        ("sport", {"ball", "soccer", "tennis", "skiing"}),
    ],
)  # fmt: skip
def test_a_broad_word_covers_all_that_its_narrower_ones_do(broad, narrow):
    assert narrow - NARROWER_THAN[broad] == set()

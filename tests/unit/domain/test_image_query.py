"""Keywords that are the same however they are written, and which images a query is after."""

from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.image_query import ImageQuery, normal_keyword
from gateway.domain.job import Image, Status
from gateway.metadata import Metadata
from tests.builders import an_image

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def tagged(*keywords: str) -> Image:
    return an_image(status=Status.COMPLETED, metadata=Metadata(keywords=keywords))


@given(texts)
@example("Straße")
@example("\u0390 \u1fd3 \u03b9\u0308\u0301")
def test_composition_and_blanks_around_it_do_not_matter(keyword: str):
    ways = [
        keyword,
        normal_keyword(keyword),
        f" {keyword}\t",
        normalize("NFC", keyword),
        normalize("NFD", keyword),
    ]
    assert len(set(map(normal_keyword, ways))) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("dog", "dogs"), ("hot dog", "hotdog"), ("cafe", "café"), ("o", "0")]
)
def test_other_words_are_others(one: str, other: str):
    assert normal_keyword(one) != normal_keyword(other)


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        (ImageQuery(), True),
        (ImageQuery(keywords=["DOG"]), True),
        (ImageQuery(keywords=["dog", "beach"]), True),
        (ImageQuery(keywords=["dog", "cat"]), False),
        (ImageQuery(keywords=["do"]), False),
        (ImageQuery(status=Status.COMPLETED), True),
        (ImageQuery(status=Status.FAILED), False),
        (ImageQuery(keywords=["dog"], status=Status.COMPLETED), True),
        (ImageQuery(keywords=["dog"], status=Status.PENDING), False),
    ],
)
def test_a_query_demands_all_that_it_names(query: ImageQuery, matches: bool):
    assert query.matches(tagged("Dog", "Beach", "Sea")) is matches


def test_an_image_without_words_has_no_keyword():
    assert not ImageQuery(keywords=["dog"]).matches(an_image())
    assert ImageQuery(status=Status.PENDING).matches(an_image())


def test_two_ways_to_ask_the_same_are_one_query():
    assert ImageQuery(keywords=["Sea", "dog", "SEA "]) == ImageQuery(keywords=["dog", "sea"])

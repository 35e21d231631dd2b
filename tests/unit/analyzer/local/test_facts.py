"""How facts are said: title, description and keywords, and silence where nothing is sure."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.analyzer.local.colours import BLACK_AND_WHITE, FAMILIES
from gateway.analyzer.local.facts import Facts, metadata_of
from gateway.analyzer.local.place.naming import Place
from gateway.analyzer.local.shot import Position, Shot
from gateway.metadata import Metadata

FILLERS = re.compile(
    r"\b(image|photo|photograph|picture|file|untitled|unknown|none|something)s?\b", re.IGNORECASE
)
COLOURS = [name for members in FAMILIES.values() for name in members]
NOUNS = ["cat", "dog", "sports car", "animal", "food", "boat"]

A_DAY = date(2024, 5, 4)
PARIS = Place("Paris", "France")
CAMERA = "Canon EOS 80D"


def title_of(**facts: object) -> str:
    return metadata_of(Facts(**facts)).title  # type: ignore[arg-type]


def description_of(**facts: object) -> str:
    return metadata_of(Facts(**facts)).description  # type: ignore[arg-type]


def keywords_of(**facts: object) -> tuple[str, ...]:
    return metadata_of(Facts(**facts)).keywords  # type: ignore[arg-type]


def test_all_facts_make_a_title_one_sentence_and_keywords() -> None:
    facts = Facts(
        seen=("animal", "cat", "sofa"),
        broad=frozenset({"animal"}),
        colours=("orange-brown", "cream"),
        shape="landscape format",
        brightness="dark",
        sharpness="blurred",
        place=PARIS,
        shot=Shot(taken_on=A_DAY, position=Position(48.86, 2.29), camera=CAMERA),
    )
    assert metadata_of(facts) == Metadata(
        "Cat, orange-brown and cream tones, Paris, France, 4 May 2024",
        "Cat and sofa, orange-brown and cream tones, blurred, mostly dark, "
        "taken in Paris, France, on 4 May 2024 with a Canon EOS 80D.",
        (
            "cat", "sofa", "animal", "paris", "france", "orange-brown", "cream", "2024", "dark", "blurred",
            "canon eos 80d", "landscape format",
        ),
    )  # fmt: skip


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert metadata_of(Facts()) == Metadata()


def test_the_words_of_a_person_are_the_title() -> None:
    assert title_of(words="Sunset over the sea", seen=("boat",), colours=("orange",), place=PARIS) == (
        "Sunset over the sea"
    )


def test_what_is_seen_is_added_to_a_persons_words() -> None:
    assert description_of(words="Sunset over the sea", seen=("boat",)) == "Sunset over the sea, boat."
    assert keywords_of(words="Sunset over the sea", seen=("boat",)) == ("sunset", "sea", "boat")


def test_what_a_person_said_is_not_said_again() -> None:
    assert description_of(words="My cat Tom", seen=("cat", "sofa")) == "My cat Tom, sofa."


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("My cats", "cat"),
        ("Red buses", "bus"),
        ("Sailboats at sea", "boat"),
        ("Big cats", "big cat"),
    ],
)
def test_what_a_person_said_of_many_or_in_a_longer_word_is_not_said_again(words: str, seen: str) -> None:
    assert description_of(words=words, seen=(seen,)) == f"{words}."
    assert seen in keywords_of(words=words, seen=(seen,))


def test_a_broad_word_gives_way_to_a_narrow_one() -> None:
    facts = {"seen": ("animal", "cat"), "broad": frozenset({"animal"})}
    assert metadata_of(Facts(**facts)) == Metadata("Cat", "Cat.", ("cat", "animal"))  # type: ignore[arg-type]


def test_where_only_broad_words_are_sure_the_narrowest_is_said() -> None:
    words = metadata_of(Facts(seen=("mammal", "animal"), broad=frozenset({"animal", "mammal"})))
    assert words == Metadata("Mammal", "Mammal.", ("mammal", "animal"))


def test_a_broad_word_adds_nothing_to_a_persons_own() -> None:
    words = metadata_of(
        Facts(words="Lighthouse on the cliff", seen=("building",), broad=frozenset({"building"}))
    )
    assert words.description == "Lighthouse on the cliff."
    assert words.keywords == ("lighthouse", "cliff", "building")


def test_a_description_names_three_things_and_the_keywords_all() -> None:
    seen = ("cat", "dog", "ball", "sofa")
    assert description_of(seen=seen) == "Cat, dog and ball."
    assert keywords_of(seen=seen) == seen


def test_without_a_noun_the_title_is_made_of_looks_place_and_day() -> None:
    assert title_of(colours=("orange", "blue"), place=PARIS, shot=Shot(taken_on=A_DAY)) == (
        "Orange and blue tones, Paris, France, 4 May 2024"
    )


@pytest.mark.parametrize(
    ("place", "shot", "said"),
    [
        (PARIS, Shot(), "Taken in Paris, France."),
        (PARIS, Shot(A_DAY), "Taken in Paris, France, on 4 May 2024."),
        (PARIS, Shot(camera=CAMERA), "Taken in Paris, France, with a Canon EOS 80D."),
        (Place("Llanes", "Spain", is_near=True), Shot(A_DAY), "Taken near Llanes, Spain, on 4 May 2024."),
        (Place("Strasbourg", is_near=True), Shot(A_DAY), "Taken near Strasbourg on 4 May 2024."),
        (Place("Singapore", "Singapore"), Shot(A_DAY), "Taken in Singapore on 4 May 2024."),
        (None, Shot(A_DAY), "Taken on 4 May 2024."),
        (None, Shot(camera="Olympus E-M10"), "Taken with an Olympus E-M10."),
    ],
)
def test_place_day_and_camera_are_told_as_far_as_they_are_known(place: Place, shot: Shot, said: str) -> None:
    assert description_of(place=place, shot=shot) == said


def test_a_place_that_is_only_near_says_so_in_the_title() -> None:
    assert title_of(place=Place("Llanes", "Spain", is_near=True)) == "Near Llanes, Spain"


def test_black_tones_are_not_said_to_be_dark() -> None:
    assert description_of(colours=("black",), brightness="dark") == "Black tones."
    assert keywords_of(colours=("black",), brightness="dark") == ("black", "dark")


def test_coordinates_are_never_said() -> None:
    assert metadata_of(Facts(shot=Shot(position=Position(48.8584, 2.2945)))).is_empty


def test_keywords_are_in_lower_case_also_in_turkey() -> None:
    assert keywords_of(place=Place("İzmir", "Turkey"), colours=(BLACK_AND_WHITE,)) == (
        "izmir",
        "turkey",
        "black and white",
    )


def test_a_word_that_is_known_twice_is_one_keyword() -> None:
    assert keywords_of(words="Paris cat", seen=("cat",), place=PARIS) == ("paris", "cat", "france")


def test_of_many_keywords_the_least_useful_are_left_out() -> None:
    words = "Blue sea and sky with ship gull beach sand child ball hat umbrella towel book dune grass pier"
    keywords = keywords_of(words=words, colours=("orange",), shape="square format")
    assert (len(keywords), keywords[0], keywords[-1]) == (16, "blue", "pier")
    assert keywords_of(words=words.removesuffix(" grass pier"), shape="square format")[-1] == "square format"


FACTS = st.builds(
    Facts,
    words=st.sampled_from(["", "Sunset over the sea", "東京タワー"]),
    seen=st.lists(st.sampled_from(NOUNS), unique=True).map(tuple),
    broad=st.just(frozenset({"animal", "food"})),
    colours=st.lists(st.sampled_from(COLOURS), max_size=2, unique=True).map(tuple),
    shape=st.sampled_from(["", "panorama", "square format"]),
    brightness=st.sampled_from(["", "dark", "bright"]),
    sharpness=st.sampled_from(["", "blurred"]),
    place=st.none() | st.builds(Place, st.just("Paris"), st.sampled_from(["", "France"]), st.booleans()),
    shot=st.builds(
        Shot,
        taken_on=st.none() | st.dates(),
        position=st.none() | st.builds(Position, st.floats(-90, 90), st.floats(-180, 180)),
        camera=st.sampled_from(["", CAMERA]),
    ),
)


@given(FACTS)
def test_no_facts_make_a_filler_word_or_a_broken_sentence(facts: Facts) -> None:
    words = metadata_of(facts)
    for text in (words.title, words.description):
        assert not FILLERS.search(text)
        assert not re.search(r",\s*,|  |^[,\s]|,[.\s]*$|\band\s*[,.]|°", text)
        assert text[:1] == text[:1].upper()
    assert words.description == "" or words.description.endswith(".")


@given(FACTS)
def test_keywords_are_in_lower_case_without_doubles_and_never_empty(facts: Facts) -> None:
    keywords = metadata_of(facts).keywords
    assert len(keywords) == len(set(keywords))
    assert all(keyword and keyword == keyword.lower().strip() for keyword in keywords)

"""What models write, and what is made of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.analyzer.provider import AnalysisFailed
from gateway.analyzer.vision import words as reading
from gateway.analyzer.vision.texts import clean, shortened
from gateway.analyzer.vision.words import words_in
from gateway.metadata import Metadata

CAT = Metadata("A cat", "It sleeps.", ("cat", "sofa"))
GOOD = '{"title": "A cat", "description": "It sleeps.", "keywords": ["cat", "sofa"]}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here you are:\n\n{GOOD}\n\nAnything else?",
        f'<think>Is it {{"title": "A dog"}}?</think>{GOOD}',
        '{"Title": "A cat", "DESCRIPTION": "It sleeps.", "Keywords": ["cat", "sofa"]}',
        '{"title": "A cat.", "description": "It sleeps.", "tags": ["cat", "sofa"]}',
        '{"title": "A cat", "description": "It sleeps.", "keywords": "cat, sofa"}',
        '{"title": "A cat", "description": "It sleeps.", "keywords": ["cat; sofa"]}',
        '{"title": "A cat", "description": "It sleeps.", "keywords": "cat\\nsofa"}',
        '{"title": "A cat", "description": "It sleeps.", "keywords": ["#cat", "Cat", " sofa. ", null, true, ""]}',
        '{"title": "A cat", "description": "It sleeps.", "keywords": null, "tags": ["cat", "sofa"]}',
        '{"title": "A cat", "description": "It sleeps.", "keywords": ["cat", "sofa",],}',
        '{"title": "A\u0000 cat", "description": "It\n sleeps.", "keywords": ["cat", "so\u202efa"]}',
        '{"photo": {"title": "A cat", "description": "It sleeps.", "keywords": ["cat", "sofa"]}}',
        f"[{GOOD}]",
        '{"title": ["A cat"], "description": ["It", "sleeps."], "keywords": ["cat", "sofa"]}',
        '{"title": "A cat", "description": "It sleeps.", "keywords": ["cat", "sofa", "wind',
        '{"title": "A cat" "description": "It sleeps." "keywords": ["cat" "sofa"]}',
        f'Like {{"title": "...", "description": "...", "keywords": ["..."]}}: {GOOD}',
    ],
    ids=[
        "as asked for", "code fence", "sentences around", "thoughts before", "names in capitals", "tags, full stop",
        "keywords as a string", "keywords as one string in a list", "keywords in lines", "marks and doubles",
        "an empty name", "spare commas", "control characters", "an object within", "a list around", "lists of texts",
        "cut off in the keywords", "commas left out", "the example repeated",
    ],
)  # fmt: skip
def test_what_is_clear_is_taken(text):
    assert words_in(text) == CAT


@pytest.mark.parametrize("comma", [",", ";", "\n", "\u3001", "\uff0c", "\u060c"])
def test_keywords_as_one_string_are_parted_by_the_commas_of_any_script(comma):
    assert words_in(json.dumps({"title": "A", "keywords": f"cat{comma} sofa"})).keywords == ("cat", "sofa")


def test_a_number_is_a_keyword_too():
    assert words_in('{"title": "Fair", "keywords": [1920, 2.5, 1e999]}').keywords == ("1920", "2.5")


def test_a_field_that_is_missing_is_empty():
    assert words_in('{"description": "It sleeps."}') == Metadata("", "It sleeps.", ())


def test_entities_of_html_stay_as_they_are():
    assert words_in('{"title": "Salt &amp; sea"}').title == "Salt &amp; sea"


def test_a_text_that_is_too_long_is_cut_between_words():
    text = words_in(json.dumps({"title": "word " * 100})).title
    assert len(text) <= reading.MAX_TITLE
    assert text.endswith("word")


def test_more_keywords_than_anybody_wants_are_left_out():
    many = [f"word{number}" for number in range(1000)]
    assert words_in(json.dumps({"title": "A", "keywords": many})).keywords == tuple(
        many[: reading.MAX_KEYWORDS]
    )


@pytest.mark.parametrize("quote", ["'", "\u2019"])
@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, I can't help with that.",
        "Sorry, but I am not able to describe people.",
        "I cannot assist with this request.",
        "I'm unable to identify who is in the picture.",
        "My apologies, this is against my rules.",
    ],
)
def test_a_refusal_in_words_is_told_from_an_answer_that_makes_no_sense(text, quote):
    with pytest.raises(AnalysisFailed) as caught:
        words_in(text.replace("'", quote))
    assert caught.value.code == "analysis_refused"


def test_a_refusal_in_the_place_of_a_description_is_not_written_into_an_image():
    no = {
        "title": "Request denied",
        "description": "I\u2019m sorry, I can\u2019t describe people.",
        "keywords": [],
    }
    with pytest.raises(AnalysisFailed) as caught:
        words_in(json.dumps(no))
    assert caught.value.code == "analysis_refused"


def test_a_photo_may_say_sorry():
    assert words_in('{"description": "Sorry, we are closed, says the sign of a shop."}').description


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A cat sleeps on a sofa.",
        "{}",
        "[1, 2]",
        "null",
        '{"title": "", "description": null, "keywords": []}',
        '{"title": "...", "description": "-", "keywords": ["#"]}',
        '{"colour": "blue"}',
        '{"title": "A cat", "description": "It sle',
        '{"title": {"a": "b"}, "keywords": {"c": 1}}',
        '{"a":' * 20_000,
        "{" * 200_000,
        '{"title": ' + "9" * 10_000 + "}",
    ],
    ids=range(13),
)
def test_what_makes_no_sense_is_unreadable(text):
    with pytest.raises(AnalysisFailed) as caught:
        words_in(text)
    assert caught.value.code == "analysis_unreadable"


def test_an_answer_that_was_cut_off_says_which_setting_is_too_small():
    with pytest.raises(AnalysisFailed, match=r"vision\.max_tokens"):
        words_in('{"title": "A cat", "descr', is_cut=True)


@given(st.text(), st.integers(1, 40))
def test_a_text_that_is_cut_is_a_beginning_of_it(text, most):
    assert text.startswith(shortened(text, most))
    assert len(shortened(text, most)) <= most


@given(st.text())
def test_a_clean_text_is_one_printable_line_and_stays_as_it_is(text):
    line = clean(text)
    assert clean(line) == line
    assert not any(ord(character) < 32 for character in line)
    line.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
FIELDS = st.dictionaries(st.sampled_from(["title", "description", "keywords", "tags", "Title"]), JSON)


@given(
    st.text()
    | st.text(alphabet='{}[]",:\\ untiledscrpokyw\n\ud800#')
    | st.builds(
        lambda before, fields, cut: (before + json.dumps(fields))[:cut],
        st.text(),
        FIELDS,
        st.integers(0, 300),
    ),
    st.booleans(),
)
def test_whatever_a_model_writes_becomes_clean_words_or_a_failure_of_its_image(text, is_cut):
    try:
        words = words_in(text, is_cut=is_cut)
    except AnalysisFailed:
        return
    assert not words.is_empty
    assert len(words.title) <= reading.MAX_TITLE
    assert len(words.description) <= reading.MAX_DESCRIPTION
    assert len(words.keywords) <= reading.MAX_KEYWORDS
    assert len({keyword.casefold() for keyword in words.keywords}) == len(words.keywords)
    for text in (words.title, words.description, *words.keywords):
        assert clean(text) == text
    assert all(0 < len(keyword) <= reading.MAX_KEYWORD for keyword in words.keywords)

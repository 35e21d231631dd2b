"""Names of attempts on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.attempt import AttemptName, new_trace_id, new_trace_ids, parse_attempt

UUID = "550e8400-e29b-41d4-a716-446655440000"
FIRST = f"b-{UUID}"

prefixes = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?", fullmatch=True)
numbers = st.integers(min_value=1, max_value=999_999)


@given(prefixes, numbers)
def test_every_name_is_read_back(prefix, number):
    name = AttemptName(new_trace_id(prefix), number)
    assert parse_attempt(str(name), prefix) == name


@given(prefixes, numbers)
def test_a_name_is_short_and_has_no_slash(prefix, number):
    text = str(AttemptName(new_trace_id(prefix), number))
    assert len(text) <= 100
    assert "/" not in text


def test_the_first_attempt_is_called_like_its_image():
    assert str(AttemptName(FIRST, 1)) == FIRST


def test_a_later_attempt_carries_its_number():
    assert str(AttemptName(FIRST, 3)) == f"{FIRST}-a3"


def test_no_two_images_have_one_name():
    assert len({new_trace_id("b") for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "b-",
        UUID,
        f"a-{UUID}",
        f"bb-{UUID}",
        f"b-b-{UUID}",
        f"B-{UUID}",
        f"b-{UUID.upper()}",
        f"b-{UUID[:-1]}",
        f"b-{UUID}0",
        f"b-{UUID.replace('-', '')}",
        f"{FIRST}-a",
        f"{FIRST}-a0",
        f"{FIRST}-a1",
        f"{FIRST}-a02",
        f"{FIRST}-a-2",
        f"{FIRST}-a2.5",
        f"{FIRST}-a1000000",
        f"{FIRST}-a2-a3",
        f"{FIRST}-a٣",
        f"{FIRST}\n",
        f"{FIRST}-a2\n",
        f" {FIRST}",
        f"x/{FIRST}",
    ],
)
def test_a_name_that_is_not_ours_is_none(text):
    assert parse_attempt(text, "b") is None


@given(st.text(max_size=120))
def test_any_text_is_a_name_or_none_and_never_an_error(text):
    name = parse_attempt(text, "b")
    assert name is None or str(name) == text


@given(st.text(alphabet="b-a0123456789ef", max_size=60), st.sampled_from(["b", "b-a", "b-0", "a"]))
def test_a_name_belongs_to_one_prefix(tail, prefix):
    text = f"b-{tail}{UUID}"
    name = parse_attempt(text, prefix)
    assert name is None or name.trace_id == f"{prefix}-{name.trace_id[-36:]}"


def test_trace_ids_made_together_are_names_of_first_attempts_and_all_different() -> None:
    made = new_trace_ids("b", 64)
    assert len(set(made)) == 64
    assert [parse_attempt(text, "b") for text in made] == [AttemptName(text, 1) for text in made]

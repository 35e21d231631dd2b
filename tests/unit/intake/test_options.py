"""What a client may ask for with a batch, and how each fault is told."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.options import BatchOptions
from gateway.errors import BadInput, Fault
from gateway.intake.options import parse_options, read_options
from gateway.metadata import POLICY_FIELDS, FieldPolicy, MetadataPolicy

POLICIES = st.dictionaries(
    st.sampled_from(POLICY_FIELDS), st.sampled_from([policy.value for policy in FieldPolicy])
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*POLICY_FIELDS, "metadata", "a/b~"]) | st.text(), inner, max_size=4
        )
    ),
    max_leaves=8,
)


def faults_of(options: Any) -> list[Fault]:
    faults: list[Fault] = []
    read_options(options, faults)
    return faults


@given(POLICIES)
def test_each_field_is_what_was_said_of_it_and_none_where_nothing_was(said: Mapping[str, str]) -> None:
    options = parse_options(orjson.dumps({"metadata": said}), "text")
    policy = options.metadata or MetadataPolicy()
    assert {name: value for name, value in asdict(policy).items() if value is not None} == said


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ('{"metadata": {"title": "keep", "title": "append"}}', "title"),
        ('{"metadata": {"title": "keep", "t\\u0069tle": "keep"}}', "title"),
        (' {"metadata": {"title": "keep"}, "metadata": {}}', "metadata"),
        (b'{"metadata": ' + b"9" * 300 + b', "metadata": {}}', "metadata"),
    ],
)
def test_a_key_that_stands_twice_is_refused_for_nobody_knows_what_was_meant(
    document: bytes | str, key: str
) -> None:
    with pytest.raises(BadInput, match=f"The text has the key '{key}' twice in an object") as caught:
        parse_options(document, "text")
    assert caught.value.code == "key_twice"


def test_what_is_hidden_behind_a_second_key_may_be_nested_deeper_than_it_is_read() -> None:
    document = '{"metadata": ' + "[" * 1010 + "]" * 1010 + ', "metadata": {}}'
    with pytest.raises(BadInput, match="The text is nested too deeply"):
        parse_options(document, "text")


@pytest.mark.parametrize("options", [{}, {"metadata": {}}], ids=str)
def test_an_empty_object_says_nothing(options: Any) -> None:
    assert read_options(options, []) == BatchOptions()
    assert faults_of(options) == []


@pytest.mark.parametrize(
    ("options", "pointer", "code", "words"),
    [
        ([], "/options", "wrong_type", "options must be an object, not an array"),
        (None, "/options", "wrong_type", "not null"),
        ({"meta": {}}, "/options/meta", "unknown_field", "unknown field 'meta'; known is metadata"),
        ({"a" * 101: 1}, "/options", "unknown_field", f"unknown field {'a' * 100!r}; known is metadata"),
        ({"metadata": "keep"}, "/options/metadata", "wrong_type", "metadata must be an object, not a string"),
        ({"metadata": None}, "/options/metadata", "wrong_type", "not null"),
        (
            {"metadata": {"a/b~": "keep"}},
            "/options/metadata/a~1b~0",
            "unknown_field",
            "known are title, description, keywords",
        ),
        ({"metadata": {"title": None}}, "/options/metadata/title", "wrong_type", "a string, not null"),
        ({"metadata": {"keywords": ["keep"]}}, "/options/metadata/keywords", "wrong_type", "not an array"),
        ({"metadata": {"title": "Keep"}}, "/options/metadata/title", "bad_option", "replace, append, keep"),
        ({"metadata": {"title": "x" * 900}}, "/options/metadata/title", "bad_option", "x" * 40 + "'"),
    ],
)
def test_a_fault_is_told_with_its_place(options: Any, pointer: str, code: str, words: str) -> None:
    (fault,) = faults_of(options)
    assert (fault.pointer, fault.code) == (pointer, code)
    assert words in fault.detail


def test_every_fault_is_told() -> None:
    with pytest.raises(BadInput) as caught:
        parse_options(b'{"metadata": {"title": 1, "keywords": "no", "x": 1}, "y": 1}', "text")
    assert {fault.pointer for fault in caught.value.faults} == {
        "/options/y", "/options/metadata/x", "/options/metadata/title", "/options/metadata/keywords",
    }  # fmt: skip


@pytest.mark.parametrize("document", [b"", b"{", b"\xff", "\udcff", b"[" * 5000])
def test_what_is_no_json_is_said_to_be_so(document: bytes | str) -> None:
    with pytest.raises(BadInput, match=r"^The part options is not JSON: ") as caught:
        parse_options(document, "part options")
    assert caught.value.code == "not_json"


@given(JSON)
def test_whatever_is_given_is_read_or_each_fault_points_into_it(options: Any) -> None:
    for fault in faults_of(options):
        _at(options, fault.pointer)


def _at(options: Any, pointer: str) -> Any:
    """As RFC 6901 has it: raises where nothing is."""
    found: Any = {"options": options}
    for part in pointer.split("/")[1:]:
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found

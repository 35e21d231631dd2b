"""The policy of a request as a header, there and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.messages import Malformed, decode_policy, encode_policy
from gateway.metadata import POLICY_FIELDS, FieldPolicy, MetadataPolicy

FIELD = st.none() | st.sampled_from(FieldPolicy)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
NAMES = st.sampled_from(POLICY_FIELDS)


@given(st.builds(MetadataPolicy, FIELD, FIELD, FIELD))
def test_what_is_written_reads_the_same(policy: MetadataPolicy) -> None:
    assert decode_policy(encode_policy(policy)) == policy


def test_only_what_was_said_is_written() -> None:
    assert encode_policy(MetadataPolicy(keywords=FieldPolicy.APPEND)) == '{"keywords":"append"}'


def test_fields_that_a_newer_gateway_says_more_of_are_passed_over() -> None:
    assert decode_policy('{"title": "keep", "caption": "keep"}') == MetadataPolicy(title=FieldPolicy.KEEP)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        ["{}"],
        "",
        "{",
        b"\xff",
        "[]",
        '"keep"',
        '{"title": "Keep"}',
        '{"title": 1}',
        '{"title": ["keep"]}',
    ],
)
def test_what_is_no_policy_is_malformed(value: object) -> None:
    with pytest.raises(Malformed):
        decode_policy(value)


@given(st.binary() | st.text() | st.dictionaries(NAMES, JSON).map(json.dumps) | JSON)
def test_any_value_is_a_policy_or_malformed_and_nothing_else(value: object) -> None:
    try:
        decode_policy(value)
    except Malformed:
        return

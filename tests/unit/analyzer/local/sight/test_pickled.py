"""gateway.analyzer.local.sight.pickled: what a pickle says is told, and nothing of it is done."""

import io
import os
import pickle
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.analyzer.local.sight.pickled import Call, Named, Reference, Unreadable, value_in
from tests.traced_memory import traced_memory

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner) | st.tuples(inner, inner, inner, inner)
    ),
    max_leaves=20,
)  # fmt: skip


def value_of(content: bytes) -> object:
    return value_in(io.BytesIO(content))


@given(plain)
def test_plain_values_are_what_was_pickled(value):
    assert value_of(pickle.dumps(value, 2)) == value


def test_one_pickle_is_read_and_what_follows_is_left():
    stream = io.BytesIO(pickle.dumps("first", 2) + b"rest")
    assert value_in(stream) == "first"
    assert stream.read() == b"rest"


def test_an_ordered_dict_is_a_dict():
    assert value_of(pickle.dumps(OrderedDict(a=1, b=2), 2)) == {"a": 1, "b": 2}


def test_a_name_stays_a_name():
    assert value_of(b"\x80\x02cnot.installed\nAnything\n.") == Named("not.installed.Anything")


def test_a_call_stays_a_call():
    pickled = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."
    assert value_of(pickled) == Call(Named("posix.system"), ("true",))


def test_a_reference_stays_a_reference():
    assert value_of(b"\x80\x02X\x01\x00\x00\x00aQ.") == Reference("a")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02NN.",
        b"\x80\x02K",
        b"\x80\x02R.",
        b"\x80\x02h\x01.",
        b"\x80\x02q\x01.",
        b"\x80\x02Nt.",
        b"\x80\x02}N\x85NS.",
        b"\x80\x02}NNs.",
        b"\x80\x02NNa.",
        b"\x80\x02}(Nu.",
        b"\x80\x02cposix\nsystem\n}b.",
        b"\x80\x02cbuiltins\nobject\n)\x81.",
        b"\xff",
        pickle.dumps(os.system, 4),
        pickle.dumps(1.5, 2),
    ],
    ids=repr,
)
def test_what_tables_of_tensors_need_not_do_is_unreadable(content):
    with pytest.raises(Unreadable):
        value_of(content)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_unreadable(noise):
    for content in (noise, b"\x80\x02" + noise + b"."):
        try:
            value_of(content)
        except Unreadable:
            continue


def test_a_large_number_in_the_memo_takes_no_memory():
    """The unpickler of Python makes a table of so many entries: 8 GB."""
    with traced_memory() as traced:
        assert value_of(b"\x80\x02Nr\xff\xff\xff\x1f.") is None
    assert traced.peak_bytes < 10**6


def test_a_key_of_very_deep_tuples_is_unreadable():
    """Its hash would use up the process's own stack, and end it."""
    with pytest.raises(Unreadable):
        value_of(b"\x80\x02})" + b"\x85" * 10**5 + b"Ns.")

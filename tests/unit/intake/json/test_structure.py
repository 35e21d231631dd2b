import pytest

from gateway.errors import BadInput
from gateway.intake.json.structure import Path, Structure


def after(document: str, max_parts: int = 1000) -> Structure:
    """Told of a document whose strings are all in single quotes."""
    structure = Structure(max_parts)
    for number, piece in enumerate(document.encode().split(b"'")):
        if number % 2:
            structure.take_string(piece)
        else:
            structure.pass_over(piece)
    return structure


def refused(document: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        after(document).refuse_open()
    return caught.value


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("", ()),
        ("{", (None,)),
        ("{'a'", ("a",)),
        ("{'a': 1", ("a",)),
        ("{'a': 'b'", ("a",)),
        ("{'a': 'b', ", (None,)),
        ("{'a': [", ("a", 0)),
        ("{'a': ['b', {}, [1, 2], ", ("a", 3)),
        ("{'a': {'b': 1, 'c': [[], {'d': ", ("a", "c", 1, "d")),
        ("{'a': []}", ()),
        (r"{'b\u0061se64': ", ("base64",)),
        ("1, 2", ()),
    ],
)
def test_it_knows_where_it_is(document: str, path: Path):
    assert after(document).path == path


@pytest.mark.parametrize(
    "document",
    ["{'a': 1, 'a': 2}", "{'a': {'b': 1, 'b': 1}}", "[{}, {'x': [], 'x': {}}]", r"{'a': 1, '\u0061': 2}"],
)
def test_a_key_that_an_object_has_twice_is_refused(document: str):
    assert refused(document).code == "key_twice"


def test_two_objects_may_have_the_same_key():
    after("{'a': {'a': 'a'}, 'b': [{'a': 'b'}, {'a': 'b'}]}").refuse_open()


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("{", "ends inside an object"),
        ("{'a': [1", "ends inside an array"),
        ("{'a': [1}", "a } ends nothing that is open"),
        ("]", "a ] ends nothing that is open"),
        ("{} {", "something stands behind its end"),
        (r"{'\x': 1}", "not JSON"),
    ],
)
def test_what_can_not_be_json_is_refused(document: str, why: str):
    error = refused(document)
    assert error.code == "not_json"
    assert why in error.text


def test_thirty_two_levels_may_be_open_and_no_more():
    after("[" * 32 + "]" * 32).refuse_open()
    assert "nested too deeply" in refused("[" * 33).text


@pytest.mark.parametrize(
    "document", ["[[],[],[],[]]", "{'a':1,'b':2,'c':3,'d':4,'e':5}", "''''''''''''''''''''''"]
)
def test_more_parts_than_allowed_are_refused(document: str):
    with pytest.raises(BadInput, match="more than 10 strings, commas, brackets and braces") as caught:
        after(document, max_parts=10)
    assert caught.value.code == "too_complex"

"""Which images of a job a request means, and how each slip is told."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadInput, TooLarge, UnsupportedMedia
from gateway.intake.indices import MAX_BYTES, parse_indices, read_indices

JSON = "application/json"


async def body_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(st.lists(st.integers(-(2**63), 2**63)))
def test_indices_come_in_the_order_in_which_they_are_named(indices: list[int]) -> None:
    assert parse_indices(orjson.dumps({"images": indices})) == indices


async def test_a_body_comes_in_any_pieces() -> None:
    assert await read_indices(body_of(b'{"im', b'ages": [0,', b" 3]}"), content_type=JSON) == [0, 3]


@pytest.mark.parametrize("document", [b"", b"{}", b" { } "])
async def test_nothing_and_an_empty_object_name_no_images(document: bytes) -> None:
    assert await read_indices(body_of(document), content_type=JSON) is None


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
async def test_no_body_needs_no_media_type_and_a_body_needs_that_of_json(content_type: str) -> None:
    assert await read_indices(body_of(), content_type=content_type) is None
    with pytest.raises(UnsupportedMedia):
        await read_indices(body_of(b"{}"), content_type=content_type)


async def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 1000

    with pytest.raises(TooLarge, match=f"The body may have {MAX_BYTES} bytes"):
        await read_indices(endless(), content_type=JSON)


@pytest.mark.parametrize(
    ("said", "pointers", "code"),
    [
        (None, [""], "wrong_type"),
        ([0], [""], "wrong_type"),
        ({"images": None}, ["/images"], "wrong_type"),
        ({"images": 0}, ["/images"], "wrong_type"),
        ({"images": {"0": 1}}, ["/images"], "wrong_type"),
        ({"images": [0, "1", 2, None]}, ["/images/1", "/images/3"], "wrong_type"),
        ({"images": [False, 1.0]}, ["/images/0", "/images/1"], "wrong_type"),
        ({"image": [0], "a/b": 1}, ["/image", "/a~1b"], "unknown_field"),
    ],
    ids=str,
)
def test_every_slip_is_told_with_its_place(said: Any, pointers: Sequence[str], code: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_indices(orjson.dumps(said))
    assert [fault.pointer for fault in caught.value.faults] == pointers
    assert {fault.code for fault in caught.value.faults} == {caught.value.code} == {code}


def test_a_number_that_is_no_index_is_told_as_it_was_read() -> None:
    with pytest.raises(BadInput, match=r"/images/0: an index must be a whole number, not 1\.5"):
        parse_indices(b'{"images": [1.5]}')


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"images=0", "not_json"),
        (b"\xff", "not_json"),
        (b'{"images": ' + b"9" * 5000 + b"}", "not_json"),
        (b'{"images": [0], "images": [1]}', "key_twice"),
    ],
)
def test_what_nobody_can_read_is_refused(document: bytes, code: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_indices(document)
    assert caught.value.code == code

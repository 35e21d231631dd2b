"""How many pictures the index of a multi-picture JPEG says there are."""

import struct

import pytest

from gateway.images.jpeg.multi_picture import INDEX_BYTES, pictures_said


def index(*fields: tuple[int, int], order: str = "<", directory: int = 8, said: int | None = None) -> bytes:
    count = len(fields) if said is None else said
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in fields)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = b"MPF\0" + mark + struct.pack(order + "I", directory) + bytes(directory - 8)
    return head + struct.pack(order + "H", count) + entries


VERSION, NUMBER = (0xB000, 0), 0xB001


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_number_is_read_in_both_byte_orders(order: str) -> None:
    assert pictures_said(index(VERSION, (NUMBER, 7), order=order)) == 7


def test_the_directory_is_where_the_header_says() -> None:
    assert pictures_said(index((NUMBER, 7), directory=100)) == 7


@pytest.mark.parametrize(
    "segment",
    [
        b"",
        b"MPF\0",
        b"ICC_PROFILE\0\1\1" + bytes(100),
        b"MPF\0" + bytes(100),
        index(VERSION),
        index((NUMBER, 0)),
        index((NUMBER, 7))[4:],
        index((NUMBER, 7), said=0),
        index((NUMBER, 7), directory=2 * INDEX_BYTES)[:INDEX_BYTES],
        index((NUMBER, 7))[:14],
    ],
)
def test_what_says_nothing_is_one_picture(segment: bytes) -> None:
    assert pictures_said(segment) == 1


def test_a_directory_that_says_it_is_endless_ends_with_the_segment() -> None:
    assert pictures_said(index(*[VERSION] * 30, said=65_535)) == 1

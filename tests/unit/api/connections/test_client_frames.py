"""Frames of clients before aiohttp reads them: right ones as they came, wrong ones not at all."""

from itertools import pairwise

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.connections.client_frames import ClientFrames
from tests.websocket.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, closing, fragments, frame

RESERVED_BITS = b"\xf0\x80"
RIGHT = (
    frame(TEXT, b"Hello"),
    frame(TEXT),
    frame(BINARY, bytes(126)),
    frame(BINARY, bytes(65_536)),
    frame(PING, b"ping"),
    fragments(TEXT, b"", b"", b"Hello"),
    frame(TEXT, fin=False) + frame(PING) + frame(CONTINUATION, b"Hello"),
    closing(),
    closing(1000, b"bye"),
    closing(4999),
)
WRONG = {
    "not masked": frame(TEXT, b"Hello", key=None),
    "not masked, a close": frame(CLOSE, b"\x03\xe8", key=None),
    "not masked, long": frame(BINARY, bytes(126), key=None),
    "125 in two bytes": frame(TEXT, bytes(125), length_bytes=2),
    "65,535 in eight": frame(TEXT, bytes(65_535), length_bytes=8),
    "more than 63 bits": frame(TEXT, length_bytes=8, declared=2**63),
    "a text in the midst of another": frame(TEXT, fin=False) + frame(TEXT),
    "a binary message in the midst of a text": frame(TEXT, fin=False) + frame(BINARY, fin=False),
    "1006": closing(1006),
    "5000": closing(5000, b"why not"),
}


@define(eq=False)
class Reader:
    """Refuses reserved bits, as aiohttp's does."""

    read: bytes = b""
    is_at_end: bool = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.read += data
        return data.endswith(RESERVED_BITS), b""

    def feed_eof(self) -> None:
        self.is_at_end = True


@define
class Clock:
    """Stands still."""

    now: float = 0.0


def watched(reader: Reader, clock: Clock | None = None) -> ClientFrames:
    standing = clock or Clock()
    return ClientFrames(reader, lambda: standing.now)


def cut(data: bytes, *places: int) -> list[bytes]:
    """At places counted from the beginning, modulo its length."""
    ends = [0, *sorted(place % len(data) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(ends)]


@given(st.lists(st.sampled_from(RIGHT), min_size=1), st.lists(st.integers(min_value=0), max_size=20))
def test_what_is_right_is_passed_on_as_it_came_wherever_it_is_cut(
    frames: list[bytes], places: list[int]
) -> None:
    reader = Reader()
    client = watched(reader)
    assert [client.feed_data(piece) for piece in cut(b"".join(frames), *places)] == [(False, b"")] * (
        len(places) + 1
    )
    assert reader.read == b"".join(frames)


@given(st.sampled_from(sorted(WRONG)), st.lists(st.integers(min_value=0), max_size=20))
def test_what_is_wrong_is_passed_on_as_reserved_bits_wherever_it_is_cut(
    wrong: str, places: list[int]
) -> None:
    reader = Reader()
    client = watched(reader)
    sent = frame(PING, b"before") + WRONG[wrong] + frame(PING, b"after")
    *_, last = [client.feed_data(piece) for piece in cut(sent, *places)]
    assert last == (True, b"")
    before, refused = reader.read[: -len(RESERVED_BITS)], reader.read[-len(RESERVED_BITS) :]
    assert refused == RESERVED_BITS
    assert before.startswith(frame(PING, b"before"))
    assert sent.removesuffix(frame(PING, b"after")).startswith(before)


def test_a_head_is_passed_on_once_it_is_whole() -> None:
    reader = Reader()
    client = watched(reader)
    sent = frame(BINARY, bytes(200))
    client.feed_data(sent[:7])
    assert reader.read == b""
    client.feed_data(sent[7:10])
    assert reader.read == sent[:10]


def test_a_payload_is_passed_on_as_it_comes() -> None:
    reader = Reader()
    client = watched(reader)
    sent = frame(BINARY, bytes(200))
    client.feed_data(sent[:50])
    assert reader.read == sent[:50]


def test_after_a_failure_nothing_is_passed_on() -> None:
    reader = Reader()
    client = watched(reader)
    client.feed_data(frame(PING, key=None))
    assert client.feed_data(frame(PING)) == (True, b"")
    assert reader.read == RESERVED_BITS


def test_the_end_is_passed_on() -> None:
    reader = Reader()
    watched(reader).feed_eof()
    assert reader.is_at_end


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_code_that_may_be_sent_is_passed_on(code: int) -> None:
    reader = Reader()
    assert watched(reader).feed_data(closing(code)) == (False, b"")


def test_as_many_frames_as_anybody_needs_may_come_at_once() -> None:
    assert watched(Reader()).feed_data(frame(PING) * 4096) == (False, b"")


def test_more_of_them_are_a_flood() -> None:
    reader = Reader()
    assert watched(reader).feed_data(frame(PING) * 5000) == (True, b"")
    assert reader.read == frame(PING) * 4096 + RESERVED_BITS


def test_in_time_more_may_come() -> None:
    clock = Clock()
    client = watched(Reader(), clock)
    client.feed_data(frame(PING) * 4096)
    clock.now = 2.0
    assert client.feed_data(frame(PING) * 512) == (False, b"")
    assert client.feed_data(frame(PING)) == (True, b"")


def test_who_was_silent_for_long_may_send_no_more_than_at_first() -> None:
    clock = Clock()
    client = watched(Reader(), clock)
    client.feed_data(frame(PING) * 4096)
    clock.now = 100_000.0
    assert client.feed_data(frame(PING) * 4096) == (False, b"")
    assert client.feed_data(frame(PING)) == (True, b"")

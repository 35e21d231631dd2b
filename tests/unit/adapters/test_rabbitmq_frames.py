"""Frames of messages, against pamqp as the second opinion: what we make it reads, and what it makes we read."""

import asyncio
import math
import struct
from itertools import pairwise
from typing import Any

import pamqp.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from gateway.adapters.broker.rabbitmq.errors import Unreadable
from gateway.adapters.broker.rabbitmq.frames import (
    BODY,
    DELIVER,
    FRAME_HEAD,
    HEADER,
    HEARTBEAT,
    LARGEST_BODY,
    Content,
    ContentReader,
    confirmed_tag_and_multiple,
    content_frames,
    delivery_tag_and_redelivered,
    frame,
    headers_in,
    message_id_in,
    publish_frame,
    reply_text_in,
)
from gateway.adapters.broker.rabbitmq.tap import Divider, Tap

CHANNEL = 7
LARGEST = 4096
HEADERS: dict[str, Any] = {"x-death": [{"count": 2, "queue": "q"}], "traceparent": "00-1"}


def read_all(data: bytes) -> list[Any]:
    """Every frame in it, as pamqp reads it; all are of our channel."""
    found = []
    while data:
        size, channel, frame = pamqp.frame.unmarshal(data)
        assert channel == CHANNEL
        found.append(frame)
        data = data[size:]
    return found


def payload_of(frame: Any) -> bytes:
    return pamqp.frame.marshal(frame, CHANNEL)[7:-1]


def a_delivery(body: bytes, *, tag: int = 1, **properties: Any) -> bytes:
    """The frames in which a broker brings a message."""
    frames: list[Any] = [
        spec.Basic.Deliver(consumer_tag="us", delivery_tag=tag, exchange="", routing_key="q"),
        ContentHeader(body_size=len(body), properties=spec.Basic.Properties(**properties)),
    ]
    bodies = [ContentBody(body[start : start + 100]) for start in range(0, len(body), 100)]
    return b"".join(pamqp.frame.marshal(frame, CHANNEL) for frame in [*frames, *bodies])


def test_a_message_is_published_mandatory_to_the_default_exchange() -> None:
    (method,) = read_all(publish_frame(CHANNEL, "image_upload"))
    assert (method.exchange, method.routing_key, method.mandatory, method.immediate) == (
        "",
        "image_upload",
        True,
        False,
    )


@pytest.mark.parametrize("headers", [{}, HEADERS], ids=["without headers", "with headers"])
def test_a_message_is_persistent_json_with_its_id_and_headers(headers: dict[str, Any]) -> None:
    header, body = read_all(content_frames(CHANNEL, b"{}", headers, b"f" * 32, LARGEST))
    properties = header.properties
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert (properties.message_id, properties.headers or {}) == ("f" * 32, headers)
    assert (header.body_size, body.value) == (2, b"{}")


@given(size=st.integers(0, 3 * LARGEST), largest=st.sampled_from([0, LARGEST]))
def test_a_body_of_any_size_is_cut_into_frames_that_are_not_too_large(size: int, largest: int) -> None:
    body = bytes(index % 251 for index in range(size))
    _, *bodies = read_all(content_frames(CHANNEL, body, {}, b"id", largest))
    assert b"".join(frame.value for frame in bodies) == body
    assert all(len(frame.value) + 8 <= (largest or math.inf) for frame in bodies)


def test_the_tag_of_a_delivery_is_read_whoever_consumes() -> None:
    for consumer in ("", "c" * 255):
        deliver = spec.Basic.Deliver(consumer, 2**40, redelivered=True, exchange="x", routing_key="q")
        assert delivery_tag_and_redelivered(payload_of(deliver)) == (2**40, True)
    assert delivery_tag_and_redelivered(payload_of(spec.Basic.Deliver("c", 3, False, "", "q"))) == (3, False)


@pytest.mark.parametrize("multiple", [True, False])
def test_confirms_are_read(multiple: bool) -> None:
    assert confirmed_tag_and_multiple(payload_of(spec.Basic.Ack(9, multiple))) == (9, multiple)
    assert confirmed_tag_and_multiple(payload_of(spec.Basic.Nack(9, multiple))) == (9, multiple)


def test_a_returned_message_tells_which_it_was_and_why() -> None:
    returned = spec.Basic.Return(312, "NO_ROUTE", "", "q")
    header = ContentHeader(body_size=2, properties=spec.Basic.Properties(message_id="m", headers=HEADERS))
    assert (reply_text_in(payload_of(returned)), message_id_in(payload_of(header))) == ("NO_ROUTE", "m")


@pytest.mark.parametrize(
    "before",
    [{}, {"content_type": "application/json"}, {"content_type": "a", "content_encoding": "b"}],
    ids=str,
)
def test_headers_are_read_whatever_stands_before_them(before: dict[str, Any]) -> None:
    header = ContentHeader(properties=spec.Basic.Properties(headers=HEADERS, priority=3, **before))
    assert headers_in(payload_of(header)) == HEADERS


def test_a_message_without_headers_has_none() -> None:
    assert headers_in(payload_of(ContentHeader(properties=spec.Basic.Properties(priority=3)))) == {}


def brought(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """The bodies of the messages that are taken of a stream, and what is left of it."""
    contents: list[Content] = []
    divider = Divider(now=lambda: 0.0)
    divider.divert(CHANNEL, ContentReader(DELIVER, contents.append).take)
    divider.rest_of(a_delivery(b""))  # at which the pulse is due
    rest = b"".join(map(divider.rest_of, pieces))
    return [content.body for content in contents[1:]], rest


OTHERS = [
    pamqp.frame.marshal(spec.Basic.ConsumeOk("us"), CHANNEL),
    pamqp.frame.marshal(spec.Basic.Deliver("other", 1, False, "", "q"), CHANNEL + 1),
    pamqp.frame.marshal(ContentHeader(body_size=1), CHANNEL + 1),
    pamqp.frame.marshal(ContentBody(b"x"), CHANNEL + 1),
    pamqp.frame.marshal(spec.Basic.GetOk(1, False, "", "q", 0), CHANNEL),
    pamqp.frame.marshal(ContentHeader(body_size=1), CHANNEL),
    pamqp.frame.marshal(ContentBody(b"y"), CHANNEL),
    Heartbeat().marshal(),
]


@given(cuts=st.sets(st.integers(0, 3000)))
def test_however_a_stream_is_cut_messages_are_taken_of_it_and_all_else_is_left(cuts: set[int]) -> None:
    wanted = [b"", b"one", b"n" * 1000]
    deliveries = [a_delivery(body) for body in wanted]
    stream = b"".join([deliveries[0], *OTHERS[:4], deliveries[1], *OTHERS[4:], deliveries[2]])
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    assert brought([stream[begin:end] for begin, end in pairwise(edges)]) == (wanted, b"".join(OTHERS))


def test_who_was_restored_is_asked_no_more() -> None:
    contents: list[Content] = []
    divider = Divider(now=lambda: 0.0)
    reader = ContentReader(DELIVER, contents.append)
    divider.divert(CHANNEL, reader.take)
    divider.restore(CHANNEL, reader.take)
    assert divider.rest_of(a_delivery(b"x")) == a_delivery(b"x")


def test_the_end_of_a_channel_takes_nothing_from_the_next_one_of_its_number() -> None:
    contents: list[Content] = []
    divider = Divider(now=lambda: 0.0)
    old, new = (ContentReader(DELIVER, contents.append) for _ in range(2))
    divider.divert(CHANNEL, old.take)
    divider.divert(CHANNEL, new.take)
    divider.restore(CHANNEL, old.take)
    divider.rest_of(a_delivery(b"x"))
    assert [content.body for content in contents] == [b"x"]


def test_whoever_reads_the_rest_hears_a_heartbeat_now_and_then_while_messages_are_taken() -> None:
    moments = [0.0, 0.1, 0.2, 1.0, 1.1]
    divider = Divider(now=iter(moments).__next__)
    divider.divert(CHANNEL, ContentReader(DELIVER, lambda _: None).take)
    heard = [divider.rest_of(a_delivery(b"x")) for _ in moments]
    beat = Heartbeat().marshal()
    assert heard == [beat, b"", b"", beat, b""]


def test_what_ends_within_a_frame_is_left_as_it_came() -> None:
    divider = Divider(now=lambda: 0.0)
    odd = b"\x01\x00\x07\x00\x00\x00\x01"
    assert divider.rest_of(odd) + divider.cut_off() == odd


NO_FRAMES = {
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "another version": b"AMQP\x00\x00\x09\x01",
    "a kind that there is not": b"\x04\x00\x07\x00\x00\x00\x01x\xce",
    "another end": b"\x01\x00\x07\x00\x00\x00\x01xy",
    "no end within reason": b"\x03\x00\x07\x7f\xff\xff\xff",
}
DELIVER_FRAME = pamqp.frame.marshal(spec.Basic.Deliver("us", 1, False, "", "q"), CHANNEL)
HEADER_FRAME = pamqp.frame.marshal(ContentHeader(body_size=2), CHANNEL)
NO_MESSAGES = {
    "a body without a header": DELIVER_FRAME + pamqp.frame.marshal(ContentBody(b"x"), CHANNEL),
    "a header too short to be one": DELIVER_FRAME + frame(HEADER, CHANNEL, b"x"),
    "two headers": DELIVER_FRAME + HEADER_FRAME * 2,
    "a body that is too long": DELIVER_FRAME + HEADER_FRAME + frame(BODY, CHANNEL, b"xyz"),
    "a body without an end": DELIVER_FRAME + HEADER_FRAME + frame(BODY, CHANNEL, b""),
    "a heartbeat within": DELIVER_FRAME + frame(HEARTBEAT, CHANNEL, b""),
    "more than any message has": DELIVER_FRAME
    + pamqp.frame.marshal(ContentHeader(body_size=LARGEST_BODY + 1), CHANNEL),
}


@pytest.mark.parametrize("odd", (NO_FRAMES | NO_MESSAGES).values(), ids=(NO_FRAMES | NO_MESSAGES).keys())
def test_what_can_not_be_read_ends_the_stream_and_what_follows_is_dropped(odd: bytes) -> None:
    contents: list[Content] = []
    divider = Divider(now=lambda: 0.0)
    divider.divert(CHANNEL, ContentReader(DELIVER, contents.append).take)
    with pytest.raises(Unreadable):
        divider.rest_of(odd)
    assert divider.rest_of(a_delivery(b"x")) + divider.cut_off() == b""
    assert contents == []


def test_a_taker_that_can_not_read_a_message_ends_the_stream() -> None:
    def too_short(content: Content) -> None:
        delivery_tag_and_redelivered(content.method[:9])

    divider = Divider(now=lambda: 0.0)
    divider.divert(CHANNEL, ContentReader(DELIVER, too_short).take)
    with pytest.raises(Unreadable):
        divider.rest_of(a_delivery(b"x"))


@pytest.mark.parametrize(
    ("frame_max", "size", "is_read"),
    [(4096, 8192, True), (4096, 8193, False), (0, LARGEST_BODY, True), (0, LARGEST_BODY + 1, False)],
)
def test_a_frame_may_be_somewhat_larger_than_agreed(frame_max: int, size: int, is_read: bool) -> None:
    divider = Divider(now=lambda: 0.0)
    divider.agree(frame_max)
    head = FRAME_HEAD.pack(BODY, CHANNEL, size)
    if is_read:
        assert divider.rest_of(head) + divider.cut_off() == head
    else:
        with pytest.raises(Unreadable):
            divider.rest_of(head)


LAST_FRAME = len(pamqp.frame.marshal(ContentBody(b"n" * 50), CHANNEL))


@pytest.mark.parametrize(
    "sent",
    [DELIVER_FRAME, DELIVER_FRAME + HEADER_FRAME, a_delivery(b"n" * 150)[:-LAST_FRAME]],
    ids=["before its header", "before its body", "in its body"],
)
def test_a_message_that_is_broken_off_is_not_mixed_with_the_next(sent: bytes) -> None:
    assert brought([sent, a_delivery(b"x")]) == ([b"x"], b"")


def test_a_method_of_another_kind_breaks_a_message_off() -> None:
    others = b"".join(OTHERS[4:7])
    assert brought([DELIVER_FRAME, others, a_delivery(b"x")]) == ([b"x"], others)


async def test_the_error_reaches_who_reads_the_stream_and_his_buffer_grows_no_more() -> None:
    reader = asyncio.StreamReader()
    tap = Tap(reader, Divider(now=lambda: 0.0))
    tap.data_received(Heartbeat().marshal() + NO_FRAMES["another protocol"])
    tap.data_received(a_delivery(b"x"))
    with pytest.raises(Unreadable):
        await reader.readexactly(1)


@given(table=st.binary(max_size=60))
def test_headers_of_any_bytes_are_read_or_found_unreadable(table: bytes) -> None:
    properties = struct.pack(">HHQH", 60, 0, 0, 1 << 13) + struct.pack(">I", len(table)) + table
    assert isinstance(headers_in(properties), dict)


def test_headers_that_do_not_fit_in_a_frame_are_left_out() -> None:
    header, _ = read_all(content_frames(CHANNEL, b"{}", {"long": "x" * LARGEST}, b"f" * 32, LARGEST))
    assert not header.properties.headers

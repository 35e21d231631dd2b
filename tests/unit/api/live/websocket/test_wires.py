"""Messages as they are on the wire."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.live.event_texts import EventTexts
from gateway.api.live.websocket.wires import (
    PING,
    WebSocketWire,
    close_message,
    pong,
    text_message,
)
from gateway.events.latest import LatestJobs
from gateway.events.stream import EventStream
from tests.builders import a_job, complete, publish
from tests.unit.events.honest_store import HonestStore
from tests.websocket import frames as rfc
from tests.websocket.decoder import Decoder, messages_in

EDGES = (0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 131_072, 131_073, 300_000)


def text_in(wire: bytes) -> bytes:
    """The one message that it is."""
    (frame,) = Decoder().frames(wire)
    assert (frame.opcode, frame.fin) == (rfc.TEXT, True)
    return frame.payload


@given(st.one_of(st.binary(max_size=300), st.sampled_from(EDGES).map(lambda size: b"x" * size)))
def test_a_text_is_read_back_whole(text: bytes):
    assert text_in(text_message(text)) == text


@pytest.mark.parametrize("size", EDGES)
def test_a_text_of_any_size_is_told_in_the_shortest_way(size: int):
    assert text_in(text_message(b"x" * size)) == b"x" * size


@pytest.mark.parametrize("code", [1000, 1013, 4000, 4501])
def test_a_goodbye_has_its_code(code: int):
    (frame,) = Decoder().frames(close_message(code))
    assert (frame.opcode, frame.close_code, frame.fin) == (rfc.CLOSE, code, True)


def test_an_answer_to_a_goodbye_without_a_code_has_none():
    (frame,) = Decoder().frames(close_message(None))
    assert (frame.opcode, frame.payload) == (rfc.CLOSE, b"")


def test_a_ping_is_empty_and_a_pong_has_what_was_asked():
    (ping,) = Decoder().frames(PING)
    (answer,) = Decoder().frames(pong(b"hello"))
    assert (ping.opcode, ping.payload) == (rfc.PING, b"")
    assert (answer.opcode, answer.payload) == (rfc.PONG, b"hello")


def a_wire() -> WebSocketWire:
    store = HonestStore()
    stream = EventStream(LatestJobs(store), store)  # type: ignore[arg-type]  # nothing but `get` is asked of it
    return WebSocketWire(EventTexts(stream), stream, 20.0)


def test_each_event_is_a_message():
    started = publish(a_job(2))
    ended = complete(started.job)
    told = messages_in(a_wire().news("job", (*started.events, *ended.events)))
    assert [message["type"] for message in told] == ["progress", "image_complete"]
    assert [message["id"] for message in told] == ["e1:2", "e1:3"]


def test_a_sign_of_life_is_the_last_state_and_a_ping():
    ended = complete(publish(a_job(2)).job)
    wire = a_wire().repeat("job", ended.events[-1])
    ping, text = Decoder().frames(wire)
    told = json.loads(text.payload)
    assert ping.opcode == rfc.PING
    assert (told["type"], told["id"], told["completed"]) == ("progress", "e1:3", 1)
    assert "image" not in told

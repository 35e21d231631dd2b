"""A client that says much and reads little is listened to no further than its answers have room."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import WSMessage, WSMsgType
from attrs import define, field

from gateway.api.live.close_codes import CloseCode
from gateway.api.live.websocket.subscriptions import Answers, Subscriptions
from gateway.api.live.websocket.wires import text_message
from gateway.events.peer import Peer
from tests.hand_loop import HandLoop, hand_loop
from tests.recording_transport import RecordingTransport
from tests.websocket.decoder import messages_in

ROOM = 4000
"""Bytes: of some twenty answers."""


@define(eq=False)
class SlowRead:
    """Something of a log, which is long in coming."""

    came: asyncio.Event = field(factory=asyncio.Event)

    async def catch_up(self) -> bool:
        await self.came.wait()
        return False


@define(eq=False)
class Line:
    """The connection of one client, as far as what it follows knows of it."""

    transport: RecordingTransport
    peer: Peer
    goodbyes: list[CloseCode] = field(factory=list)

    def leave(self, close: CloseCode) -> None:
        self.goodbyes.append(close)


@define(eq=False)
class Client:
    loop: HandLoop
    line: Line
    subscriptions: Subscriptions
    heard: int = 0
    """Messages that the gateway has listened to."""

    def say(self, *said: str) -> None:
        """Leave them to the gateway, which takes one after the other."""

        async def hear_all() -> None:
            for each in said:
                await self.subscriptions.hear(WSMessage(WSMsgType.TEXT, each, None))
                self.heard += 1

        self.loop.call(self.loop.create_task, hear_all())
        self.loop.settle(len(said) * 3)

    def answers(self) -> list[Any]:
        return messages_in(self.line.transport.taken)


@pytest.fixture
def client() -> Iterator[Client]:
    with hand_loop() as loop:
        transport = RecordingTransport(ROOM)
        line = Line(transport, transport.peer())
        # No job is named that exists: nothing but the connection is asked for.
        nothing: Any = None
        yield Client(loop, line, Subscriptions(nothing, nothing, nothing, nothing, line))  # type: ignore[arg-type]
        loop.call(line.transport.go_on_reading)
        loop.settle(500)
        loop.call(loop.create_task, line.peer.close())


def leaving(number: int) -> str:
    return f'{{"type": "unsubscribe", "job_id": "job{number}"}}'


def test_who_reads_nothing_is_not_listened_to_for_long(client: Client) -> None:
    client.line.transport.stop_reading()
    client.say(*map(leaving, range(500)))
    assert client.heard < 100
    assert client.line.transport.get_write_buffer_size() < 2 * ROOM


def test_once_it_reads_all_it_said_is_answered_in_its_order(client: Client) -> None:
    client.line.transport.stop_reading()
    client.say(*map(leaving, range(500)))
    client.loop.call(client.line.transport.go_on_reading)
    client.loop.settle(2000)
    assert [answer["job_id"] for answer in client.answers()] == [f"job{number}" for number in range(500)]


def test_what_it_said_is_not_done_once_the_connection_is_lost(client: Client) -> None:
    client.line.transport.stop_reading()
    client.say(*map(leaving, range(500)))
    client.loop.call(client.line.transport.abort)
    client.loop.settle(2000)
    assert client.heard == 500
    assert client.answers() == []


def test_an_answer_does_not_overtake_those_for_which_there_was_no_room() -> None:
    with hand_loop() as loop:
        transport = RecordingTransport(ROOM)
        peer = transport.peer()
        answers = Answers(peer)
        transport.stop_reading()

        def say_five_with_room_before_the_last() -> None:
            answers.say(text_message(b'{"number": 0, "long": "%s"}' % (b"x" * ROOM)))
            for number in (1, 2, 3):
                answers.say(text_message(b'{"number": %d}' % number))
            transport.go_on_reading()
            answers.say(text_message(b'{"number": 4}'))

        loop.call(say_five_with_room_before_the_last)
        loop.settle()
        assert [message["number"] for message in messages_in(transport.taken)] == [0, 1, 2, 3, 4]
        loop.call(loop.create_task, peer.close())


def test_answers_that_stand_behind_a_slow_log_are_said_before_the_next_message_is_heard() -> None:
    """Else they would become more with each message."""
    with hand_loop() as loop:
        transport = RecordingTransport(ROOM)
        peer, read = transport.peer(), SlowRead()
        answers = Answers(peer)
        transport.stop_reading()

        def say_one_behind_a_slow_log() -> None:
            answers.say(text_message(b'{"number": 0, "long": "%s"}' % (b"x" * ROOM)))
            peer.queue(read)
            answers.say(text_message(b'{"number": 1}'))
            transport.go_on_reading()

        loop.call(say_one_behind_a_slow_log)
        assert [message["number"] for message in messages_in(transport.taken)] == [0]
        loop.call(loop.create_task, answers.all_said())
        assert [message["number"] for message in messages_in(transport.taken)] == [0, 1]
        loop.call(read.came.set)
        loop.call(loop.create_task, peer.close())

"""Messages on one channel, and what becomes of each when the broker says so: no broker is needed to say it."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pamqp.frame
import pytest
from aiormq import Channel
from aiormq.exceptions import ChannelPreconditionFailed
from attrs import define, field
from pamqp import commands as spec
from pamqp.header import ContentHeader

from gateway.adapters.broker.rabbitmq.confirming import ConfirmingChannel
from gateway.adapters.broker.rabbitmq.errors import ConnectionLost, Nacked, Returned
from gateway.adapters.broker.rabbitmq.tap import Divider, Taker
from gateway.adapters.broker.rabbitmq.transport import Transport

CHANNEL = 3


@define(eq=False)
class Wire:
    """A connection with one channel, and the broker at its other end."""

    sent: list[bytes] = field(factory=list)
    closing: "asyncio.Future[None]" = field(factory=lambda: asyncio.get_running_loop().create_future())
    is_cut: bool = False
    reading: asyncio.Event = field(factory=asyncio.Event)
    """Whether the broker reads."""
    number: int = CHANNEL
    connection: Any = SimpleNamespace(connection_tune=SimpleNamespace(frame_max=131072))
    _divider: Divider = field(factory=lambda: Divider(now=lambda: 0.0))

    @property
    def is_closed(self) -> bool:
        return self.closing.done()

    async def room(self) -> None:
        await self.reading.wait()

    def send(self, frames: bytes) -> None:
        if self.is_cut:
            raise ConnectionLost("lost", detail="cut")
        self.sent.append(frames)

    def divert(self, channel: int, taker: Taker) -> None:
        self._divider.divert(channel, taker)

    def restore(self, channel: int, taker: Taker) -> None:
        self._divider.restore(channel, taker)

    def says(self, *frames: Any) -> bytes:
        """The broker sends these; what nobody takes of them."""
        return self._divider.rest_of(b"".join(pamqp.frame.marshal(frame, CHANNEL) for frame in frames))

    def messages(self) -> Iterator[str]:
        """The ids of what was sent, in order."""
        data = b"".join(self.sent)
        while data:
            size, _, frame = pamqp.frame.unmarshal(data)
            if isinstance(frame, ContentHeader):
                yield str(frame.properties.message_id)
            data = data[size:]


@pytest.fixture
async def wire() -> Wire:
    wire = Wire()
    wire.reading.set()
    return wire


@pytest.fixture
async def channel(wire: Wire) -> ConfirmingChannel:
    return ConfirmingChannel(cast(Channel, wire), cast(Transport, wire))


async def publishing(channel: ConfirmingChannel, number: int) -> list["asyncio.Task[None]"]:
    """So many publishes that wait for their confirms."""
    tasks = [asyncio.create_task(channel.publish("q", b"{}", {})) for _ in range(number)]
    await turns()
    return tasks


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def outcomes(tasks: list["asyncio.Task[None]"]) -> list[type[BaseException] | None]:
    """Of those that have ended; the others are left out."""
    await turns()
    ended = await asyncio.gather(*(task for task in tasks if task.done()), return_exceptions=True)
    return [None if end is None else type(end) for end in ended]


async def test_what_is_published_in_one_turn_goes_out_together(
    channel: ConfirmingChannel, wire: Wire
) -> None:
    tasks = await publishing(channel, 3)
    assert len(wire.sent) == 1
    assert len(list(wire.messages())) == 3
    wire.says(spec.Basic.Ack(3, multiple=True))
    await asyncio.gather(*tasks)


async def test_a_confirm_ends_its_publish_alone(channel: ConfirmingChannel, wire: Wire) -> None:
    tasks = await publishing(channel, 3)
    wire.says(spec.Basic.Ack(2))
    assert await outcomes(tasks) == [None]
    assert tasks[1].done()
    await end(wire, tasks)


async def test_a_confirm_of_several_ends_all_up_to_it(channel: ConfirmingChannel, wire: Wire) -> None:
    tasks = await publishing(channel, 3)
    wire.says(spec.Basic.Ack(2, multiple=True))
    assert [task.done() for task in tasks] == [False] * 3
    assert await outcomes(tasks) == [None, None]
    assert not tasks[2].done()
    await end(wire, tasks)


async def test_a_nack_of_several_fails_all_up_to_it(channel: ConfirmingChannel, wire: Wire) -> None:
    tasks = await publishing(channel, 3)
    wire.says(spec.Basic.Ack(1), spec.Basic.Nack(2, multiple=True), spec.Basic.Ack(3))
    assert await outcomes(tasks) == [None, Nacked, None]


async def test_a_message_that_comes_back_fails_though_its_confirm_follows(
    channel: ConfirmingChannel, wire: Wire
) -> None:
    tasks = await publishing(channel, 3)
    ids = list(wire.messages())
    header = ContentHeader(body_size=0, properties=spec.Basic.Properties(message_id=ids[1]))
    wire.says(spec.Basic.Return(312, "NO_ROUTE", "", "q"), header, spec.Basic.Ack(3, multiple=True))
    assert await outcomes(tasks) == [None, Returned, None]


async def test_a_publish_that_was_given_up_leaves_the_others_their_confirms(
    channel: ConfirmingChannel, wire: Wire
) -> None:
    tasks = await publishing(channel, 3)
    tasks[1].cancel()
    await turns()
    wire.says(spec.Basic.Ack(1), spec.Basic.Ack(2), spec.Basic.Ack(3))
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.cancelled() for task in tasks] == [False, True, False]


async def test_a_message_that_was_given_up_before_it_went_out_is_sent_for_its_number_is_taken(
    channel: ConfirmingChannel, wire: Wire
) -> None:
    given_up = asyncio.create_task(channel.publish("q", b"{}", {}))
    asyncio.get_running_loop().call_soon(given_up.cancel)
    tasks = await publishing(channel, 1)
    assert len(list(wire.messages())) == 2
    wire.says(spec.Basic.Ack(2))
    assert await outcomes(tasks) == [None]


async def test_the_end_of_the_channel_fails_all_that_wait_with_its_reason(
    channel: ConfirmingChannel, wire: Wire
) -> None:
    tasks = await publishing(channel, 2)
    wire.closing.set_exception(ChannelPreconditionFailed("PRECONDITION_FAILED - no"))
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, ConnectionLost) and "PRECONDITION_FAILED" in end.detail for end in ends)
    assert not channel.is_alive


async def test_nothing_is_published_on_a_channel_that_has_ended(
    channel: ConfirmingChannel, wire: Wire
) -> None:
    wire.closing.cancel()
    with pytest.raises(ConnectionLost):
        await channel.publish("q", b"{}", {})


async def test_a_connection_that_can_not_be_written_to_fails_what_was_to_be_sent(
    channel: ConfirmingChannel, wire: Wire
) -> None:
    wire.is_cut = True
    with pytest.raises(ConnectionLost):
        await channel.publish("q", b"{}", {})


async def test_the_end_of_the_channel_gives_its_frames_back(channel: ConfirmingChannel, wire: Wire) -> None:
    wire.closing.cancel()
    await turns()
    assert wire.says(spec.Basic.Ack(1)) == pamqp.frame.marshal(spec.Basic.Ack(1), CHANNEL)


async def test_a_channel_that_the_broker_ends_takes_nothing_more_even_before_aiormq_has_read_of_it(
    channel: ConfirmingChannel, wire: Wire
) -> None:
    tasks = await publishing(channel, 1)
    close = spec.Channel.Close(406, "PRECONDITION_FAILED", 0, 0)
    assert wire.says(close) == pamqp.frame.marshal(close, CHANNEL)
    with pytest.raises(ConnectionLost):
        await channel.publish("q", b"{}", {})
    assert len(list(wire.messages())) == 1
    await end(wire, tasks)


async def test_a_message_that_can_not_be_made_takes_no_number(channel: ConfirmingChannel, wire: Wire) -> None:
    with pytest.raises(OverflowError):
        await channel.publish("q" * 256, b"{}", {})
    tasks = await publishing(channel, 1)
    wire.says(spec.Basic.Ack(1))
    assert await outcomes(tasks) == [None]


async def test_a_broker_that_does_not_read_is_sent_nothing_more(
    channel: ConfirmingChannel, wire: Wire
) -> None:
    wire.reading.clear()
    tasks = await publishing(channel, 3)
    assert wire.sent == []
    wire.reading.set()
    await turns()
    wire.says(spec.Basic.Ack(3, multiple=True))
    assert await outcomes(tasks) == [None] * 3


async def test_a_confirm_of_all_ends_all(channel: ConfirmingChannel, wire: Wire) -> None:
    tasks = await publishing(channel, 2)
    wire.says(spec.Basic.Ack(0, multiple=True))
    assert await outcomes(tasks) == [None, None]


async def test_the_answers_to_questions_on_the_channel_are_left_to_who_asked(
    channel: ConfirmingChannel, wire: Wire
) -> None:
    answer = spec.Confirm.SelectOk()
    assert wire.says(answer) == pamqp.frame.marshal(answer, CHANNEL)


async def end(wire: Wire, tasks: list["asyncio.Task[None]"]) -> None:
    wire.says(spec.Basic.Ack(1000, multiple=True))
    await asyncio.gather(*tasks)

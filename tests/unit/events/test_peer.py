"""Writing to one connection: at once or in turn, in pieces, and what becomes of one that takes nothing."""

import asyncio
from collections.abc import Iterator

import pytest
from attrs import define, field

from gateway.events.peer import ROOM_BYTES, STALLED_S, Peer, PeerLeft
from tests.hand_loop import HandLoop, hand_loop
from tests.recording_transport import RecordingTransport

FULL = b"x" * ROOM_BYTES


@define(eq=False)
class Waiter:
    """Who has so many pieces to write."""

    peer: Peer
    name: bytes
    pieces: int

    async def catch_up(self) -> bool:
        self.peer.write(self.name)
        self.pieces -= 1
        return self.pieces > 0


@define(eq=False)
class Line:
    """A peer with its transport, and what it said of being stalled."""

    loop: HandLoop
    transport: RecordingTransport = field(factory=RecordingTransport)
    peer: Peer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.peer = self.transport.peer()

    def fill(self) -> None:
        """It reads nothing, and has no room for more."""
        self.transport.stop_reading()
        self.peer.write_now(FULL)
        self.peer.write_now(b"!")

    @property
    def taken(self) -> bytes:
        return bytes(self.transport.taken)


@pytest.fixture
def line() -> Iterator[Line]:
    with hand_loop() as loop:
        line = Line(loop)
        yield line
        loop.create_task(line.peer.close())


def test_what_is_written_to_one_that_takes_it_goes_at_once(line: Line):
    assert line.peer.write_now(b"news", 3)
    assert (line.taken, line.peer.messages) == (b"news", 3)


def test_nothing_is_written_where_there_is_no_room(line: Line):
    line.fill()
    messages = line.peer.messages
    assert not line.peer.write_now(b"more")
    assert line.peer.messages == messages


def test_there_is_room_again_once_most_was_taken(line: Line):
    line.fill()
    line.transport.read(ROOM_BYTES // 2)
    assert not line.peer.write_now(b"more")
    line.transport.read(ROOM_BYTES // 2)
    assert line.peer.write_now(b"more")


def test_who_waits_writes_when_there_is_room(line: Line):
    line.fill()
    line.loop.call(line.peer.queue, Waiter(line.peer, b"waited", 1))
    assert line.transport.get_write_buffer_size() == ROOM_BYTES + 1
    line.loop.call(line.transport.go_on_reading)
    assert line.taken.endswith(b"!waited")


def test_several_that_wait_take_turns(line: Line):
    def wait() -> None:
        line.peer.queue(Waiter(line.peer, b"a", 3))
        line.peer.queue(Waiter(line.peer, b"b", 2))

    line.loop.call(wait)
    assert line.taken == b"ababa"


def test_between_pieces_others_have_their_turn(line: Line):
    line.loop.call_soon(line.peer.queue, Waiter(line.peer, b"a", 20))
    line.loop.settle(8)
    assert 0 < len(line.taken) < 20


def test_one_that_has_stopped_waiting_writes_nothing(line: Line):
    waiter = Waiter(line.peer, b"a", 1)
    line.fill()
    line.loop.call(line.peer.queue, waiter)
    line.peer.forget(waiter)
    line.loop.call(line.transport.go_on_reading)
    assert not line.taken.endswith(b"a")


def test_one_that_does_not_wait_is_forgotten_without_a_word_of_it(line: Line):
    """Its words are those of all that is reached from it, and took longer than all the rest."""

    class Wordless(Waiter):
        def __repr__(self) -> str:
            raise AssertionError("it was described")

    line.peer.forget(Wordless(line.peer, b"a", 1))


class TestStall:
    def test_one_that_takes_nothing_is_cut_off(self, line: Line):
        line.fill()
        line.loop.call(line.peer.queue, Waiter(line.peer, b"a", 1))
        line.loop.turn(STALLED_S - 0.1)
        assert not line.transport.was_aborted
        line.loop.turn(2.1)
        assert (line.transport.was_aborted, line.peer.has_stalled) == (True, True)

    def test_one_that_takes_a_little_is_not(self, line: Line):
        line.fill()
        line.loop.call(line.peer.queue, Waiter(line.peer, b"a", 1))
        for _ in range(8):
            line.loop.turn(STALLED_S - 2)
            line.transport.read(1)
        assert not line.transport.was_aborted

    def test_one_that_stops_again_is(self, line: Line):
        line.fill()
        line.loop.call(line.peer.queue, Waiter(line.peer, b"a", 1))
        line.loop.turn(STALLED_S / 2)
        line.transport.read(100)
        line.loop.turn(STALLED_S + 4)
        assert line.transport.was_aborted

    def test_one_for_which_nothing_waits_is_left_alone(self, line: Line):
        line.fill()
        line.loop.turn(10 * STALLED_S)
        assert not line.transport.was_aborted

    def test_one_that_does_not_take_its_last_bytes_is_cut_off_too(self, line: Line):
        line.transport.stop_reading()
        line.peer.write_now(b"last")
        emptying = line.loop.create_task(line.peer.emptied())
        line.loop.turn(STALLED_S + 1)
        assert line.transport.was_aborted
        assert isinstance(emptying.exception(), PeerLeft)


class TestEmptied:
    def test_it_waits_until_all_was_taken(self, line: Line):
        line.transport.stop_reading()
        line.peer.write_now(b"last")
        emptying = line.loop.create_task(line.peer.emptied())
        line.loop.turn(1)
        assert not emptying.done()
        line.loop.call(line.transport.go_on_reading)
        line.loop.turn(0.1)
        assert emptying.result() is None

    def test_it_does_not_wait_where_nothing_is_held(self, line: Line):
        emptying = line.loop.create_task(line.peer.emptied())
        line.loop.settle()
        assert emptying.done()

    def test_it_ends_with_the_connection(self, line: Line):
        line.transport.stop_reading()
        line.peer.write_now(b"last")
        emptying = line.loop.create_task(line.peer.emptied())
        line.loop.settle()
        line.loop.call(line.transport.abort)
        assert isinstance(emptying.exception(), PeerLeft)


class TestLongMessages:
    LONG = bytes(range(256)) * 1024
    """Four times as much as there is room for."""

    def test_they_come_whole_and_in_their_place(self, line: Line):
        line.loop.call(line.peer.write_now, self.LONG)
        line.loop.call(line.peer.write_now, b"behind")
        assert line.taken == self.LONG + b"behind"

    def test_a_slow_one_has_one_piece_of_it_in_the_transport(self, line: Line):
        line.transport.stop_reading()
        line.loop.call(line.peer.write_now, self.LONG)
        assert line.transport.get_write_buffer_size() <= 2 * ROOM_BYTES
        line.loop.call(line.transport.go_on_reading)
        assert line.taken == self.LONG

    def test_nothing_lands_in_the_midst_of_them(self, line: Line):
        line.transport.stop_reading()
        line.loop.call(line.peer.write_now, self.LONG)
        assert not line.peer.write_now(b"news")
        line.loop.call(line.peer.answer, b"pong")
        line.loop.call(line.peer.say_last, b"bye")
        line.loop.call(line.transport.go_on_reading)
        assert line.taken == self.LONG + b"bye"

    def test_an_answer_waits_for_their_end(self, line: Line):
        line.transport.stop_reading()
        line.loop.call(line.peer.write_now, self.LONG)
        line.loop.call(line.peer.answer, b"pong 1")
        line.loop.call(line.peer.answer, b"pong 2")
        line.loop.call(line.transport.go_on_reading)
        assert line.taken == self.LONG + b"pong 2"


class TestTheEnd:
    def test_the_last_word_is_the_last(self, line: Line):
        line.loop.call(line.peer.say_last, b"bye")
        assert not line.peer.write_now(b"news")
        line.loop.call(line.peer.queue, Waiter(line.peer, b"a", 1))
        line.loop.call(line.peer.answer, b"pong")
        line.loop.call(line.peer.say_last, b"bye again")
        assert line.taken == b"bye"

    def test_who_reads_the_log_meanwhile_has_nothing_to_write_any_more(self, line: Line):
        line.loop.call(line.peer.say_last, b"bye")
        with pytest.raises(PeerLeft):
            line.peer.write(b"a piece")

    def test_sealed_while_a_piece_is_read_it_gets_no_more_of_them(self, line: Line):
        reading = asyncio.Event()

        class Reader(Waiter):
            async def catch_up(self) -> bool:
                await reading.wait()
                return await super().catch_up()

        line.loop.call(line.peer.queue, Reader(line.peer, b"a", 3))
        line.loop.call(line.peer.say_last, b"bye")
        line.loop.call(reading.set)
        assert line.taken == b"bye"

    def test_a_connection_that_is_lost_takes_nothing(self, line: Line):
        line.loop.call(line.transport.abort)
        assert not line.peer.write_now(b"news")
        with pytest.raises(PeerLeft):
            line.peer.write(b"a piece")
        line.loop.call(line.peer.queue, Waiter(line.peer, b"a", 1))

    def test_a_close_gives_up_a_piece_that_is_being_read(self, line: Line):
        class Endless(Waiter):
            async def catch_up(self) -> bool:
                await asyncio.Event().wait()
                return True

        line.loop.call(line.peer.queue, Endless(line.peer, b"a", 1))
        closing = line.loop.create_task(line.peer.close())
        line.loop.settle()
        assert closing.done()
        assert line.taken == b""


class TestTakingSlowly:
    MUCH = 40 * 1024

    def test_one_that_takes_some_of_much_is(self, line: Line):
        line.transport.stop_reading()
        line.peer.write_now(b"x" * self.MUCH)
        line.peer.is_taking_slowly()
        line.transport.read(1)
        assert line.peer.is_taking_slowly()

    def test_one_that_takes_nothing_is_not(self, line: Line):
        line.transport.stop_reading()
        line.peer.write_now(b"x" * self.MUCH)
        line.peer.is_taking_slowly()
        assert not line.peer.is_taking_slowly()

    def test_one_that_takes_all_is_not(self, line: Line):
        """Somebody in between may take it, behind whom there is nobody any more."""
        line.peer.is_taking_slowly()
        line.peer.write_now(b"x" * self.MUCH)
        assert not line.peer.is_taking_slowly()

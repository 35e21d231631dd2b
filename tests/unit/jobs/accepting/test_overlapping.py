"""One task reads, several work: what is asked for when, and how all of it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from attrs import define, field

from gateway.errors import BadInput, ContentError, TooSlow, Unavailable
from gateway.intake.batch import BatchOutline, ImageOutline, IncomingBatch, SentImage
from gateway.intake.bytes_in_flight import BytesInFlight, Share
from gateway.jobs.accepting.beginning import PIECE_BYTES, Beginning
from gateway.jobs.accepting.overlapping import Room, for_each_sent
from tests.patience import PATIENCE_S

OUTLINE = BatchOutline((ImageOutline("a"), ImageOutline("b")))
PIECE = bytes(PIECE_BYTES)
LARGE, SMALL = (PIECE, b"and more"), (b"a", b"b")


async def body_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def room_for(at_once: int, *, held_bytes: int = 0, max_bytes: int = 1) -> Room:
    return Room(at_once, held_bytes, BytesInFlight(max_bytes, patience_s=60))


async def batch_of(
    images: int, *, of: tuple[bytes, ...] = LARGE, then: BaseException | None = None
) -> IncomingBatch:
    for index in range(images):
        yield SentImage(index, body_of(*of))
    if then is not None:
        raise then
    yield OUTLINE


async def let_others_run() -> None:
    """Until all that can go on has done so."""
    for _ in range(50):
        await asyncio.sleep(0)


@define(eq=False)
class Putting:
    """Work that reads its image, then goes on until it may end."""

    may_end: set[int] = field(factory=set)
    read: list[int] = field(factory=list)
    ended: list[int] = field(factory=list)
    under_way: int = 0
    most: int = 0
    _changed: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, index: int, image: Beginning, share: Share) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            async for _ in image.whole():
                pass
            self.read.append(index)
            while index not in self.may_end:
                await self._changed.wait()
                self._changed.clear()
        finally:
            self.under_way -= 1
            self.ended.append(index)

    async def let_end(self, *indices: int) -> None:
        for index in indices:
            self.may_end.add(index)
            self._changed.set()
            await let_others_run()


class TestOverlap:
    async def test_the_next_is_read_while_the_one_before_is_still_worked_on(self):
        putting = Putting()
        task = asyncio.create_task(for_each_sent(batch_of(2), putting, room_for(2)))
        await let_others_run()
        assert (putting.read, putting.ended) == ([0, 1], [])
        await putting.let_end(1, 0)
        assert await task is OUTLINE
        assert sorted(putting.ended) == [0, 1]

    async def test_it_has_a_bound(self):
        putting = Putting()
        task = asyncio.create_task(for_each_sent(batch_of(5), putting, room_for(3)))
        await let_others_run()
        assert putting.read == [0, 1, 2]
        putting.may_end |= {0, 1, 2, 3, 4}
        while not task.done():
            await putting.let_end(0)
        assert (putting.most, sorted(putting.ended)) == (3, [0, 1, 2, 3, 4])

    async def test_nothing_is_asked_for_while_a_body_is_still_read(self):
        asked: list[str] = []
        may_go_on = asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            yield PIECE
            await may_go_on.wait()
            yield b"and more"

        async def batch() -> IncomingBatch:
            asked.append("first")
            yield SentImage(0, slow_body())
            asked.append("second")
            yield SentImage(1, body_of(b"c"))
            yield OUTLINE

        putting = Putting({0, 1})
        task = asyncio.create_task(for_each_sent(batch(), putting, room_for(4)))
        await let_others_run()
        assert asked == ["first"]
        may_go_on.set()
        await task
        assert asked == ["first", "second"]

    async def test_a_body_that_its_work_leaves_early_is_not_waited_for(self):
        async def leave(_: int, image: Beginning, _share: Share) -> None:
            await anext(image.whole())

        assert await for_each_sent(batch_of(3), leave, room_for(1)) is OUTLINE


class TestSmall:
    """Images that fit into a piece."""

    async def test_they_overlap_as_well(self):
        putting = Putting()
        task = asyncio.create_task(for_each_sent(batch_of(6, of=SMALL), putting, room_for(3)))
        await let_others_run()
        assert putting.read == [0, 1, 2]
        putting.may_end |= set(range(6))
        while not task.done():
            await putting.let_end(0)
        assert (putting.most, sorted(putting.ended)) == (3, [0, 1, 2, 3, 4, 5])

    async def test_they_come_as_they_were_sent(self):
        bodies: dict[int, bytes] = {}

        async def work(index: int, image: Beginning, share: Share) -> None:
            bodies[index] = b"".join([chunk async for chunk in image.whole()])

        await for_each_sent(batch_of(3, of=SMALL), work, room_for(2))
        assert bodies == {0: b"ab", 1: b"ab", 2: b"ab"}

    async def test_the_last_one_is_not_handed_to_a_task(self):
        tasks: list[object] = []

        async def work(_index: int, _image: Beginning, _share: Share) -> None:
            tasks.append(asyncio.current_task())

        await for_each_sent(batch_of(1, of=SMALL), work, room_for(2))
        assert tasks == [asyncio.current_task()]

    async def test_one_that_breaks_off_is_its_own_works_trouble(self):
        async def broken() -> AsyncIterator[bytes]:
            yield b"a"
            raise ContentError("broken base64", code="bad_base64")

        async def batch() -> IncomingBatch:
            yield SentImage(0, broken())
            yield SentImage(1, body_of(b"b"))
            yield OUTLINE

        came: dict[int, list[bytes | str]] = {0: [], 1: []}

        async def work(index: int, image: Beginning, share: Share) -> None:
            try:
                async for chunk in image.whole():
                    came[index].append(chunk)
            except ContentError as error:
                came[index].append(error.code)

        await for_each_sent(batch(), work, room_for(2))
        assert came == {0: [b"a", "bad_base64"], 1: [b"b"]}

    async def test_one_that_is_the_last_and_fails_ends_the_others(self):
        async def work(index: int, image: Beginning, share: Share) -> None:
            if index == 2:
                await let_others_run()
                raise Unavailable("down")
            await putting(index, image, share)

        putting = Putting()
        with pytest.raises(Unavailable, match="down"):
            await for_each_sent(batch_of(3, of=SMALL), work, room_for(4))
        assert (putting.under_way, sorted(putting.ended)) == (0, [0, 1])


class TestMemory:
    """What works hold together, of this request and of others."""

    async def test_an_image_takes_its_size_but_no_more_than_a_work_holds(self):
        room, putting = room_for(4, held_bytes=1000, max_bytes=5000), Putting()
        large = asyncio.create_task(for_each_sent(batch_of(2), putting, room))
        await let_others_run()
        assert room.in_flight.held_bytes == 2000
        small = asyncio.create_task(for_each_sent(batch_of(3, of=SMALL), putting, room))
        await let_others_run()
        assert room.in_flight.held_bytes == 2000 + 3 * len(b"".join(SMALL))
        await putting.let_end(0, 1, 2)
        await asyncio.gather(large, small)
        assert room.in_flight.held_bytes == 0

    async def test_one_that_is_sent_slowly_takes_no_more_than_has_come(self):
        may_go_on = asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            yield PIECE
            await may_go_on.wait()
            yield PIECE

        async def batch() -> IncomingBatch:
            yield SentImage(0, slow_body())
            yield OUTLINE

        room = room_for(4, held_bytes=3 * PIECE_BYTES, max_bytes=10 * PIECE_BYTES)
        putting = Putting()
        task = asyncio.create_task(for_each_sent(batch(), putting, room))
        await let_others_run()
        assert room.in_flight.held_bytes == PIECE_BYTES
        may_go_on.set()
        await let_others_run()
        assert room.in_flight.held_bytes == 2 * PIECE_BYTES
        await putting.let_end(0)
        await task
        assert room.in_flight.held_bytes == 0

    @pytest.mark.parametrize("of", [LARGE, SMALL])
    async def test_where_there_is_no_room_no_more_than_a_piece_is_read(self, of: tuple[bytes, ...]):
        read: list[bytes] = []

        async def body() -> AsyncIterator[bytes]:
            for piece in of:
                read.append(piece)
                yield piece

        async def batch() -> IncomingBatch:
            yield SentImage(0, body())
            yield SentImage(1, body())
            yield OUTLINE

        room = room_for(4, held_bytes=1000, max_bytes=1000)
        others = room.in_flight.share(1000)
        await others.grow(1000)
        task = asyncio.create_task(for_each_sent(batch(), Putting({0, 1}), room))
        await let_others_run()
        assert read == ([PIECE] if of is LARGE else [*SMALL])
        others.give_back()
        assert await task is OUTLINE

    @pytest.mark.parametrize("of", [LARGE, SMALL])
    @pytest.mark.parametrize("images", [1, 3])
    async def test_all_is_given_back_whatever_ends_the_work(self, of: tuple[bytes, ...], images: int):
        async def work(index: int, image: Beginning, share: Share) -> None:
            async for _ in image.whole():
                pass
            if index == images - 1:
                raise Unavailable("down")
            await asyncio.Event().wait()

        room = room_for(4, held_bytes=1000, max_bytes=5000)
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(Unavailable, match="down"):
                await for_each_sent(batch_of(images, of=of), work, room)
        assert (room.in_flight.held_bytes, room.in_flight.is_full) == (0, False)

    @pytest.mark.parametrize("of", [LARGE, SMALL])
    async def test_a_work_that_holds_nothing_any_more_gives_back_before_its_end(self, of: tuple[bytes, ...]):
        held = list[int]()

        async def work(_index: int, image: Beginning, share: Share) -> None:
            whole = image.whole()
            await anext(whole)
            share.give_back()
            async for _ in whole:
                pass
            held.append(room.in_flight.held_bytes)

        room = room_for(1, held_bytes=1000, max_bytes=5000)
        await for_each_sent(batch_of(1, of=of), work, room)
        assert held == [0]

    async def test_a_task_that_was_cancelled_before_its_first_step_gives_back_too(self):
        async def batch() -> IncomingBatch:
            async for member in batch_of(2, of=SMALL):
                if isinstance(member, SentImage):
                    yield member
            raise BadInput("too many")

        room = room_for(4, held_bytes=1000, max_bytes=5000)
        putting = Putting()
        with pytest.raises(BadInput, match="too many"):
            await for_each_sent(batch(), putting, room)
        assert (putting.read, room.in_flight.held_bytes) == ([], 0)


class TestTrouble:
    async def test_one_ends_all_and_is_what_is_raised(self):
        putting = Putting()

        async def work(index: int, image: Beginning, share: Share) -> None:
            if index == 2:
                raise Unavailable("down")
            await putting(index, image, share)

        with pytest.raises(Unavailable, match="down"):
            await for_each_sent(batch_of(4), work, room_for(4))
        assert (putting.under_way, sorted(putting.ended)) == (0, [0, 1])

    async def test_it_does_not_wait_for_a_sender_that_is_silent(self):
        read = asyncio.Event()

        async def batch() -> IncomingBatch:
            yield SentImage(0, body_of(*LARGE))
            read.set()
            await asyncio.Event().wait()
            yield OUTLINE

        async def work(index: int, image: Beginning, share: Share) -> None:
            async for _ in image.whole():
                pass
            await read.wait()
            raise Unavailable("down")

        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(Unavailable, match="down"):
                await for_each_sent(batch(), work, room_for(4))

    async def test_of_the_batch_it_ends_the_work_before_it_is_raised(self):
        putting = Putting()
        with pytest.raises(BadInput, match="too many"):
            await for_each_sent(batch_of(2, then=BadInput("too many")), putting, room_for(4))
        assert (putting.under_way, sorted(putting.ended)) == (0, [0, 1])

    @pytest.mark.parametrize("trouble", [TooSlow("slow"), ConnectionResetError(), BadInput("broken")])
    @pytest.mark.parametrize("first", [b"a", PIECE])
    async def test_of_a_body_is_raised_as_it_is(self, trouble: Exception, first: bytes):
        async def broken() -> AsyncIterator[bytes]:
            yield first
            raise trouble

        async def batch() -> IncomingBatch:
            yield SentImage(0, body_of(*LARGE))
            yield SentImage(1, broken())
            yield OUTLINE

        with pytest.raises(type(trouble)) as caught:
            await for_each_sent(batch(), Putting(), room_for(4))
        assert caught.value is trouble

    async def test_the_first_is_raised_though_others_meet_trouble_as_they_are_ended(self):
        async def work(index: int, image: Beginning, share: Share) -> None:
            try:
                async for _ in image.whole():
                    pass
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise Unavailable("met while it cleaned up") from None

        with pytest.raises(BadInput, match="too many"):
            await for_each_sent(batch_of(2, then=BadInput("too many")), work, room_for(4))

    async def test_a_bug_is_raised_as_it_is(self):
        async def work(index: int, image: Beginning, share: Share) -> None:
            raise KeyError(index)

        with pytest.raises(KeyError):
            await for_each_sent(batch_of(2), work, room_for(4))


class TestCancelled:
    async def test_all_work_has_ended_before_the_batch_can_be_closed(self):
        putting, closed_with = Putting(), list[int]()

        async def batch() -> IncomingBatch:
            try:
                async for member in batch_of(3):
                    yield member
            finally:
                closed_with.append(putting.under_way)

        async def run() -> None:
            async with aclosing(batch()) as members:
                await for_each_sent(members, putting, room_for(2))

        task = asyncio.create_task(run())
        await let_others_run()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (closed_with, putting.under_way) == ([0], 0)

    async def test_while_it_waits_for_the_sender(self):
        async def batch() -> IncomingBatch:
            async for member in batch_of(2):
                if isinstance(member, SentImage):
                    yield member
            await asyncio.Event().wait()

        putting = Putting()
        task = asyncio.create_task(for_each_sent(batch(), putting, room_for(4)))
        await let_others_run()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (putting.under_way, sorted(putting.ended)) == (0, [0, 1])

    async def test_the_task_is_not_left_as_one_that_is_to_end(self):
        async def work(_index: int, _image: Beginning, _share: Share) -> None:
            raise Unavailable("down")

        with pytest.raises(Unavailable):
            await for_each_sent(batch_of(2), work, room_for(4))
        this = asyncio.current_task()
        assert this is not None
        assert this.cancelling() == 0

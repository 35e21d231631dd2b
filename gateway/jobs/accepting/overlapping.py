"""Images that are sent along, taken from a request one after the other while those before are still worked on.

A body is read in its order, so what overlaps is what follows the last byte of an image: a last part, a sync, the
answer of a store. A large image is read by its own work: nothing lies in between, and a store that is slow slows the
reading, and that the sender. One that fits into a piece is read first, and its work begins once another follows:
most requests bring one small image, and a task for it would cost more than all that it overlaps with.

So a request holds in memory what its works hold, and one piece for which there is no room yet.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from attrs import define, evolve, field, frozen

from gateway.cancellation import is_being_cancelled
from gateway.errors import GatewayError
from gateway.intake.batch import BatchOutline, IncomingBatch, SentImage
from gateway.intake.bytes_in_flight import BytesInFlight, Share
from gateway.jobs.accepting.beginning import Beginning

Work = Callable[[int, Beginning, Share], Awaitable[None]]
"""What is done with the image of that index. It may give back its share before its end, once it holds nothing."""


@frozen(eq=False)
class Room:
    """For at most `at_once` images of one request, each of which holds at most `held_bytes` of what is `in_flight`."""

    at_once: int
    held_bytes: int
    in_flight: BytesInFlight


async def for_each_sent(batch: IncomingBatch, work: Work, room: Room) -> BatchOutline:
    """Do the work for every image that is sent along, as there is room; the outline at the end.

    The next image is asked for once one was read to its end, or its work has ended without. The first error of any
    work, or of the batch, is raised, and a cancellation passed on, once all that was under way has ended: then the
    batch may be closed. Raises Unavailable (busy) where no room comes.
    """
    outline = BatchOutline(())
    try:
        async with asyncio.TaskGroup() as tasks:
            overlap = _Overlap(work, tasks, room)
            async for member in batch:
                if isinstance(member, SentImage):
                    await overlap.take(member)
                else:
                    outline = member
            await overlap.end()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return outline


@frozen(eq=False)
class _Read:
    """An image of which the beginning was read and no work has begun, and its share."""

    index: int
    beginning: Beginning
    share: Share


@define(eq=False)
class _Overlap:
    """One task takes images, each of `_tasks` works on one, in a place that it gives back."""

    _work: Work
    _tasks: asyncio.TaskGroup
    _room: Room
    _places: asyncio.Semaphore = field(init=False)
    _small: _Read | None = field(init=False, default=None)
    """The last one, if all of it was read."""

    @_places.default
    def _free_places(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self._room.at_once)

    async def take(self, sent: SentImage) -> None:
        """Until it was read, or nobody wants to read on."""
        await self._begin_small_one()
        beginning = await Beginning.of(sent.body)
        read = _Read(sent.index, beginning, self._room.in_flight.share(self._room.held_bytes))
        if beginning.is_all:
            self._small = read
        else:
            await self._begin_and_let_read(read)

    async def end(self) -> None:
        """No other image comes: the last one, if it is small, needs no task of its own."""
        if self._small is None:
            return
        try:
            await self._enter(self._small)
            await self._work(self._small.index, self._small.beginning, self._small.share)
        finally:
            self._small.share.give_back()

    async def _begin_small_one(self) -> None:
        if self._small is not None:
            small, self._small = self._small, None
            await self._begin(small)

    async def _begin_and_let_read(self, read: _Read) -> None:
        left = asyncio.Event()
        rest = _passing(read.beginning.rest, read.share, left)
        work = await self._begin(evolve(read, beginning=evolve(read.beginning, rest=rest)))
        work.add_done_callback(lambda _: left.set())
        await left.wait()

    async def _begin(self, read: _Read) -> "asyncio.Task[None]":
        await self._enter(read)
        work = self._tasks.create_task(self._do(read), name=f"image {read.index}")
        # A task that is cancelled before its first step has no other end than this.
        work.add_done_callback(lambda _: self._leave(read))
        return work

    async def _enter(self, read: _Read) -> None:
        """Wait for a place, and for room for what was read. If that is in vain, nothing is held."""
        await self._places.acquire()
        try:
            await read.share.grow(read.beginning.size)
        except BaseException:
            self._leave(read)
            raise

    def _leave(self, read: _Read) -> None:
        self._places.release()
        read.share.give_back()

    async def _do(self, read: _Read) -> None:
        try:
            await self._work(read.index, read.beginning, read.share)
        except GatewayError as error:
            # What is cancelled may meet trouble while it cleans up, but that is not why all ends.
            if is_being_cancelled():
                raise asyncio.CancelledError from error
            raise


async def _passing(body: AsyncIterator[bytes], share: Share, read: asyncio.Event) -> AsyncIterator[bytes]:
    """No chunk is asked for before there is room for the one that came last."""
    async for chunk in body:
        yield chunk
        await share.grow(len(chunk))
    read.set()

"""Images that are sent along, taken from a request one after the other while those before are still worked on.

A body is read in its order, so what overlaps is what follows the last byte of an image: a last part, a sync, the
answer of a store. A large image is read by its own work: nothing lies in between, and a store that is slow slows the
reading, and that the sender. One that fits into a piece is read first, and its work begins once another follows:
most requests bring one small image, and a task for it would cost more than all that it overlaps with.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from attrs import define, field, frozen

from gateway.cancellation import is_being_cancelled
from gateway.errors import ContentError, GatewayError
from gateway.intake.batch import BatchOutline, IncomingBatch, SentImage
from gateway.intake.bytes_in_flight import FREE_BYTES

Work = Callable[[SentImage], Awaitable[None]]


async def for_each_sent(batch: IncomingBatch, work: Work, *, at_once: int) -> BatchOutline:
    """Do the work for every image that is sent along, for at most `at_once` at a time; the outline at the end.

    The next image is asked for once one was read to its end, or its work has ended without. The first error of any
    work, or of the batch, is raised, and a cancellation passed on, once all that was under way has ended: then the
    batch may be closed.
    """
    outline = BatchOutline(())
    try:
        async with asyncio.TaskGroup() as tasks:
            overlap = _Overlap(work, tasks, asyncio.Semaphore(at_once))
            async for member in batch:
                if isinstance(member, SentImage):
                    await overlap.take(member)
                else:
                    outline = member
            await overlap.end()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return outline


@define(eq=False)
class _Overlap:
    """One task takes images, each of `_tasks` works on one, in a place that it gives back."""

    _work: Work
    _tasks: asyncio.TaskGroup
    _places: asyncio.Semaphore
    _waiting: SentImage | None = field(init=False, default=None)
    """One that was read, and for which no work has begun yet."""

    async def take(self, sent: SentImage) -> None:
        """Until it was read, or nobody wants to read on."""
        await self._begin_the_one_before()
        beginning = await _Beginning.of(sent.body)
        if beginning.is_all:
            self._waiting = SentImage(sent.index, beginning.then_rest())
        else:
            await self._begin_and_let_read(SentImage(sent.index, beginning.then_rest()))

    async def end(self) -> None:
        """No other image comes: what is left to begin needs no task of its own."""
        if self._waiting is not None:
            await self._places.acquire()
            await self._work(self._waiting)

    async def _begin_the_one_before(self) -> None:
        if self._waiting is not None:
            await self._places.acquire()
            self._begin(self._waiting)
            self._waiting = None

    async def _begin_and_let_read(self, sent: SentImage) -> None:
        left = asyncio.Event()
        await self._places.acquire()
        work = self._begin(SentImage(sent.index, _watched(sent.body, left)))
        work.add_done_callback(lambda _: left.set())
        await left.wait()

    def _begin(self, sent: SentImage) -> "asyncio.Task[None]":
        work = self._tasks.create_task(self._do(sent), name=f"image {sent.index}")
        work.add_done_callback(lambda _: self._places.release())
        return work

    async def _do(self, sent: SentImage) -> None:
        try:
            await self._work(sent)
        except GatewayError as error:
            # What is cancelled may meet trouble while it cleans up, but that is not why all ends.
            if is_being_cancelled():
                raise asyncio.CancelledError from error
            raise


@frozen(eq=False)
class _Beginning:
    """The first piece of a body, which no more than the chunk that completes it goes beyond FREE_BYTES."""

    _chunks: list[bytes]
    _rest: AsyncIterator[bytes]
    is_all: bool
    """Whether nothing comes of the rest but, perhaps, why the body breaks off."""

    @classmethod
    async def of(cls, body: AsyncIterator[bytes]) -> "_Beginning":
        """Raises what `body` raises, but for a ContentError, which comes of the rest."""
        chunks, size = list[bytes](), 0
        try:
            async for chunk in body:
                chunks.append(chunk)
                size += len(chunk)
                if size >= FREE_BYTES:
                    return cls(chunks, body, is_all=False)
        except ContentError as error:
            return cls(chunks, _broken(error), is_all=True)
        return cls(chunks, body, is_all=True)

    async def then_rest(self) -> AsyncIterator[bytes]:
        self._chunks.reverse()
        while self._chunks:
            yield self._chunks.pop()
        async for chunk in self._rest:
            yield chunk


async def _broken(error: ContentError) -> AsyncIterator[bytes]:
    for chunk in list[bytes]():
        yield chunk
    raise error


async def _watched(body: AsyncIterator[bytes], left: asyncio.Event) -> AsyncIterator[bytes]:
    async for chunk in body:
        yield chunk
    left.set()

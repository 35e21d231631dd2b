"""Images that are sent along, taken from a request one after the other while those before are still worked on.

A body is read in its order, so only what follows the last byte of an image overlaps: the last part, the sync, the
answer of a store. Nothing is read ahead, nothing lies in between: a store that is slow slows the reading, and that the
sender.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.cancellation import is_being_cancelled
from gateway.errors import GatewayError
from gateway.intake.batch import BatchOutline, IncomingBatch, SentImage

Work = Callable[[SentImage], Awaitable[None]]


async def for_each_sent(batch: IncomingBatch, work: Work, *, at_once: int) -> BatchOutline:
    """Do the work for every image that is sent along, for at most `at_once` at a time; the outline at the end.

    The next image is asked for once the work has read one to its end, or was done without. The first error of any
    work, or of the batch, is raised, and a cancellation passed on, once all that was under way has ended: then the
    batch may be closed.
    """
    places = asyncio.Semaphore(at_once)
    outline = BatchOutline(())
    try:
        async with asyncio.TaskGroup() as tasks:
            async for member in batch:
                if isinstance(member, BatchOutline):
                    outline = member
                    continue
                await places.acquire()
                await _until_it_is_left(member, work, tasks, places)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return outline


async def _until_it_is_left(
    sent: SentImage, work: Work, tasks: asyncio.TaskGroup, places: asyncio.Semaphore
) -> None:
    """Begin the work, which gives its place back at its end, and wait as long as it may read."""
    left = asyncio.Event()

    def end(_: asyncio.Task[None]) -> None:
        places.release()
        left.set()

    watched = SentImage(sent.index, _watched(sent.body, left))
    tasks.create_task(_work(work, watched), name=f"image-{sent.index}").add_done_callback(end)
    await left.wait()


async def _work(work: Work, sent: SentImage) -> None:
    try:
        await work(sent)
    except GatewayError as error:
        if (
            is_being_cancelled()
        ):  # and what was cancelled met trouble while it cleaned up: that is not why all ends
            raise asyncio.CancelledError from error
        raise


async def _watched(body: AsyncIterator[bytes], left: asyncio.Event) -> AsyncIterator[bytes]:
    async for chunk in body:
        yield chunk
    left.set()

"""A JSON body: `{"images": [{"url" | "base64", "name"?}, ...], "options"?}`, read as a stream.

The bytes of its images pass as they arrive; what they are called and all else is known at its end (`outline.py`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from attrs import define

from gateway.errors import ContentError
from gateway.intake.batch import IncomingBatch, SentImage
from gateway.intake.json.lifter import Document, Event, Lifter, Pause, TextBegins, TextEnds
from gateway.intake.json.outline import read_outline
from gateway.intake.settings import IntakeSettings

_Events = AsyncGenerator[Event, None]


async def json_batch(body: AsyncIterator[bytes], settings: IntakeSettings) -> IncomingBatch:
    """The images of a JSON body. Raises BadInput, TooLarge, and what `body` raises, also while an image is read."""
    async with aclosing(_events(body, Lifter(settings.max_images))) as events:
        async for event in events:
            if isinstance(event, TextBegins):
                content = _Content(events)
                yield SentImage(event.index, content)
                content.leave()
            elif isinstance(event, Document):
                yield read_outline(event.content, settings.max_images)


async def _events(body: AsyncIterator[bytes], lifter: Lifter) -> _Events:
    async for chunk in body:
        for event in lifter.feed(chunk):
            if isinstance(event, Pause):
                await asyncio.sleep(0)
            else:
                yield event
    yield lifter.close()


@define(eq=False)
class _Content(AsyncIterator[bytes]):
    """The bytes of the text that begins, out of all events."""

    _events: _Events
    _is_over: bool = False

    async def __anext__(self) -> bytes:
        if self._is_over:
            raise StopAsyncIteration
        event = await anext(self._events, None)
        if event is None:
            raise RuntimeError("the request was given up while this image was read")
        if isinstance(event, bytes):
            return event
        self._is_over = True
        if isinstance(event, TextEnds) and event.wrong:
            raise ContentError(f"broken base64: {event.wrong}", code="bad_base64")
        raise StopAsyncIteration

    def leave(self) -> None:
        """What follows is no longer its own."""
        self._is_over = True

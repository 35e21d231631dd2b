"""What the gateway makes of a body, as a value that can be compared: what was read, or why nothing was."""

import asyncio
import atexit
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import aclosing
from functools import cache
from typing import Any, TypeVar

from attrs import frozen

from gateway.errors import BadInput, ContentError, GatewayError, TooLarge, UnsupportedMedia
from gateway.intake.batch import BatchOutline, SentImage
from gateway.intake.reader import read_batch
from gateway.intake.settings import IntakeSettings
from tests.cuts import arriving

T = TypeVar("T")


@frozen
class Refused:
    """Its words, which may be a parser's, may depend on where the body was cut; its kind may not."""

    kind: type[GatewayError]
    code: str


@frozen
class Content:
    """The bytes of an image that was sent along; `wrong` says what was found to be so behind them, if anything was."""

    data: bytes
    wrong: str = ""


@frozen
class Read:
    """A batch, with the images that were sent along."""

    contents: Mapping[int, Content]
    outline: BatchOutline

    @property
    def whole(self) -> dict[int, bytes | None]:
        """The bytes of these images; None for one that is broken."""
        return {index: None if content.wrong else content.data for index, content in self.contents.items()}


def read(pieces: Sequence[bytes], content_type: str, **parameters: Any) -> Read | Refused:
    """Anything but a refusal that is foreseen for a body is raised."""
    try:
        return finished(_read(pieces, content_type, **parameters))
    except (BadInput, TooLarge, UnsupportedMedia) as error:
        return Refused(type(error), error.code)


async def _read(pieces: Sequence[bytes], content_type: str, **parameters: Any) -> Read:
    contents: dict[int, Content] = {}
    batch = read_batch(arriving(pieces), content_type=content_type, settings=IntakeSettings(), **parameters)
    async with aclosing(batch):
        async for member in batch:
            if isinstance(member, BatchOutline):
                assert await anext(batch, None) is None, "the outline does not come last"
                return Read(contents, member)
            assert member.index not in contents, "an image comes twice"
            contents[member.index] = await _content(member)
    raise AssertionError("no outline comes")


async def _content(image: SentImage) -> Content:
    data = bytearray()
    try:
        async for piece in image.body:
            data += piece
    except ContentError as error:
        if error.code != "bad_base64":
            raise
        return Content(bytes(data), error.text)
    return Content(bytes(data))


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it returns, by a loop that lasts: a new one for each of millions of inputs would take most of the time."""
    return _loop().run_until_complete(coroutine)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop

"""A multipart/form-data body (RFC 7578): every part with a file name is an image, in order, whatever its field is
called; a part called `options`, before them or behind, holds JSON. Parts pass as they arrive, nothing is kept."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Final

from attrs import define, field
from multipart import MultipartError, MultipartSegment, ParserError, ParserLimitReached, PushMultipartParser

from gateway.domain.options import BatchOptions
from gateway.errors import BadInput
from gateway.intake.batch import BatchOutline, ImageOutline, IncomingBatch, SentImage
from gateway.intake.options import MAX_OPTIONS_BYTES, options_twice, parse_options
from gateway.intake.part_names import HEADER_CHARSET, PartNames, names_of

_MAX_OTHER_PARTS: Final = 8
_MAX_HINTED: Final = 200
_PHOTO_NAME: Final = re.compile(rb"[^\0-\x1f]{1,200}\.(?:jpe?g|png)", re.IGNORECASE)

# What the parser tells: a part begins, a piece of its body, its end.
_Event = MultipartSegment | bytes | bytearray | None
_NO_EVENT: Final = b""


async def multipart_batch(body: AsyncIterator[bytes], boundary: str, max_images: int) -> IncomingBatch:
    """The images of a multipart body, and its options. Raises BadInput, what `body` raises."""
    if not boundary:
        raise BadInput("The Content-Type multipart/form-data has no boundary.", code="bad_multipart")
    parts, others = _Parts(body, _parser(boundary)), 0
    images: list[ImageOutline] = []
    options: BatchOptions | None = None
    while (names := await parts.next_part()) is not None:
        if names.file:
            if len(images) == max_images:
                raise BadInput(f"A batch has at most {max_images} images.", code="too_many_images")
            yield SentImage(len(images), parts.content())
            images.append(ImageOutline(names.file))
            continue
        others += 1
        if others > _MAX_OTHER_PARTS:
            text = f"The multipart body has more than {_MAX_OTHER_PARTS} parts that are no images."
            raise BadInput(text, code="bad_multipart")
        if names.field != "options":
            _refuse(names, await parts.beginning(_MAX_HINTED))
            continue
        if options is not None:
            raise options_twice()
        options = parse_options(await parts.small_content(MAX_OPTIONS_BYTES), "part options")
    if not images:
        raise BadInput("The batch has no images.", code="no_images")
    yield BatchOutline(tuple(images), options)


class _Parser(PushMultipartParser):
    """Refuses a line feed within a line of a head. The other sees it only where the line is cut before its end."""

    def _on_segment_headerline(self, line: bytes) -> None:
        if b"\n" in line:
            raise ParserError("Invalid line break in segment header")
        super()._on_segment_headerline(line)


def _parser(boundary: str) -> _Parser:
    try:
        return _Parser(boundary.encode("ascii"), header_charset=HEADER_CHARSET)
    except (MultipartError, UnicodeEncodeError) as error:
        raise BadInput("The multipart boundary is broken.", code="bad_multipart", detail=str(error)) from None


def _refuse(names: PartNames, beginning: bytes) -> None:
    """Nothing is wrong with a file field of a form that was left empty. Raises BadInput for the rest."""
    field_name = names.field[:100]
    if names.file is None:
        text = f"Unknown field {field_name!r}: a part is an image with a file name, or options"
        raise BadInput(text + _hint(field_name, beginning), code="unknown_field")
    if beginning:
        raise BadInput(f"The part {field_name!r} has content, but its file name is empty.", code="missing")


def _hint(name: str, beginning: bytes) -> str:
    """How the text ends. The name of a photo where its bytes should be: curl was called without the @."""
    if not _PHOTO_NAME.fullmatch(beginning):
        return "."
    return f"; did you mean {name}=@{beginning.decode(errors='replace')}?"


@define(eq=False)
class _Parts:
    """The parser's events, pulled from the body as they are asked for."""

    _body: AsyncIterator[bytes]
    _parser: PushMultipartParser
    _events: Iterator[_Event] = field(factory=lambda: iter(()))
    _has_begun: bool = False
    _has_ended: bool = False
    _in_part: bool = False

    async def next_part(self) -> PartNames | None:
        """The names of the next part, after what is left of the present one; None when there is no further one."""
        async for _ in self.content():
            pass
        event = await self._next_event()
        if not isinstance(event, MultipartSegment):
            return None
        self._in_part = True
        return names_of(event)

    async def content(self) -> AsyncIterator[bytes]:
        """The present part's bytes; once."""
        while self._in_part:
            event = await self._next_event()
            if isinstance(event, bytes | bytearray):
                yield bytes(event)
            else:
                self._in_part = False

    async def small_content(self, max_bytes: int) -> bytes:
        """All of the present part. Raises BadInput past the bound."""
        content = bytearray()
        async for piece in self.content():
            content += piece
            if len(content) > max_bytes:
                raise BadInput(f"The part options may have {max_bytes} bytes.", code="part_too_large")
        return bytes(content)

    async def beginning(self, max_bytes: int) -> bytes:
        """The first bytes of the present part, or all of it where it has no more."""
        content = bytearray()
        async for piece in self.content():
            content += piece
            if len(content) > max_bytes:
                break
        return bytes(content)

    async def _next_event(self) -> _Event:
        """The next event; None is the end of a part, and between parts the end of the body."""
        while (event := self._next_told()) == _NO_EVENT:
            if self._parser.closed:
                return None
            # An empty chunk tells the parser that the body ended; it raises when that is too early.
            chunk = await self._next_chunk()
            self._has_ended = not chunk
            self._events = self._parser.parse(chunk)
        return event

    def _next_told(self) -> _Event:
        """What the last chunk tells next, or _NO_EVENT. Where it is broken, all that stands before comes first."""
        try:
            return next(self._events, _NO_EVENT)
        except MultipartError as error:
            # The parser keeps it, and its traceback the parser and the chunk: together they would stay for long.
            self._parser.error = None
            raise _broken(error, has_ended=self._has_ended) from None

    async def _next_chunk(self) -> bytes:
        """Empty at the end of the body."""
        if self._has_begun:
            return await anext(self._body, b"")
        self._has_begun = True
        return await self._first_chunk()

    async def _first_chunk(self) -> bytes:
        """From the first delimiter on: what the parser makes of bytes before it depends on where they are cut."""
        delimiter = b"\r\n--" + self._parser.boundary
        held = b"\r\n"
        async for chunk in self._body:
            held += chunk
            if (at := held.find(delimiter)) >= 0:
                return held[at:]
            held = held[1 - len(delimiter) :]
        return b""


def _broken(error: MultipartError, *, has_ended: bool) -> BadInput:
    """The parser's own words are for the log."""
    if has_ended:
        text = "The multipart body ends before its last boundary."
    elif isinstance(error, ParserLimitReached):
        text = "A part of the multipart body has too many headers, or one that is too long."
    else:
        text = "The multipart body is broken: its parts, or their headers, are not as RFC 7578 has them."
    return BadInput(text, code="bad_multipart", detail=str(error))

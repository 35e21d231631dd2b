"""The parts of a multipart/form-data body (RFC 7578), one after the other, as their bytes arrive."""

from collections.abc import AsyncIterator, Iterator
from typing import Final

from attrs import define, field
from multipart import MultipartError, MultipartSegment, ParserError, ParserLimitReached, PushMultipartParser

from gateway.errors import BadInput
from gateway.intake.multipart.names import HEADER_CHARSET, PartNames, names_of

_MAX_AROUND: Final = 64 * 1024
"""Bytes that may stand before the first part and behind the last, where nothing should."""

_PLAIN: Final = frozenset(("7bit", "8bit", "binary"))

# What the parser tells: a part begins, a piece of its body, its end.
_Event = MultipartSegment | bytes | bytearray | None
_NO_EVENT: Final = b""


def parts_of(body: AsyncIterator[bytes], boundary: str) -> "Parts":
    """Raises BadInput for a boundary that can be none."""
    if not boundary:
        raise BadInput("The Content-Type multipart/form-data has no boundary.", code="bad_multipart")
    return Parts(body, _parser(boundary))


@define(eq=False)
class Parts:
    """The parser's events, pulled from the body as they are asked for."""

    _body: AsyncIterator[bytes]
    _parser: PushMultipartParser
    names: PartNames = PartNames("", None)
    """Of the present part."""
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
        _refuse_encoded(event)
        self._in_part = True
        self.names = names_of(event)
        return self.names

    async def content(self) -> AsyncIterator[bytes]:
        """The present part's bytes; once."""
        while self._in_part:
            event = await self._next_event()
            if isinstance(event, bytes | bytearray):
                yield bytes(event)
            else:
                self._in_part = False

    async def small_content(self, max_bytes: int) -> bytes:
        """All of the present part. Raises BadInput (part_too_large) past the bound."""
        content = await self.beginning(max_bytes)
        if len(content) > max_bytes:
            raise BadInput(f"The part {self.names.field} may have {max_bytes} bytes.", code="part_too_large")
        return content

    async def beginning(self, max_bytes: int) -> bytes:
        """The first bytes of the present part, more than `max_bytes` only where it has more."""
        content = bytearray()
        async for piece in self.content():
            content += piece
            if len(content) > max_bytes:
                break
        return bytes(content)

    async def _next_event(self) -> _Event:
        """The next event; None is the end of a part, and between parts the end of the body."""
        passed = 0
        while (event := self._next_told()) == _NO_EVENT:
            if self._parser.closed:
                return None
            # Heads have bounds of their own, so this is nothing but bytes behind the last boundary.
            if passed > _MAX_AROUND:
                raise BadInput("The multipart body goes on behind its last boundary.", code="bad_multipart")
            # An empty chunk tells the parser that the body ended; it raises when that is too early.
            chunk = await self._next_chunk()
            passed += len(chunk)
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
        held, passed = b"\r\n", 0
        async for chunk in self._body:
            held += chunk
            if (at := held.find(delimiter)) >= 0:
                return held[at:]
            passed += len(chunk)
            if passed > _MAX_AROUND:
                raise BadInput("The multipart body does not begin with its boundary.", code="bad_multipart")
            held = held[1 - len(delimiter) :]
        return b""


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


def _refuse_encoded(part: MultipartSegment) -> None:
    """RFC 7578, section 4.7, has done away with it. Raises BadInput where bytes are not sent as they are."""
    encoding = (part.header("Content-Transfer-Encoding") or "binary").strip().lower()
    if encoding not in _PLAIN:
        text = "A part of the multipart body has a Content-Transfer-Encoding; its bytes must be sent as they are."
        raise BadInput(text, code="bad_multipart")


def _broken(error: MultipartError, *, has_ended: bool) -> BadInput:
    """The parser's own words are for the log."""
    if has_ended:
        text = "The multipart body ends before its last boundary."
    elif isinstance(error, ParserLimitReached):
        text = "A part of the multipart body has too many headers, or one that is too long."
    else:
        text = "The multipart body is broken: its parts, or their headers, are not as RFC 7578 has them."
    return BadInput(text, code="bad_multipart", detail=str(error))

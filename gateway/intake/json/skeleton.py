"""What is left of a JSON document when its long texts are lifted out: kept within a bound, and parsed at the end.

Read step by step, so that the caller can look where the reader is, and give others a turn: what stands up to the next
string, what is there of a string.
"""

from typing import Any, Final

import orjson
from attrs import define, field

from gateway.errors import TooLarge
from gateway.intake.json.string import closing_quote, ends_in_backslash
from gateway.intake.json.structure import Path, Structure
from gateway.intake.shape import not_json, parsers_words

_AT_ONCE: Final = 64 * 1024
"""Bytes of one step."""


@define(eq=False)
class Skeleton:
    """One document, of at most `max_bytes` without what is left out."""

    _max_bytes: int
    _structure: Structure
    _kept: bytearray = field(factory=bytearray)
    _string_at: int | None = None
    _is_escaped: bool = False
    _has_lifted: bool = False

    @property
    def is_in_string(self) -> bool:
        return self._string_at is not None

    @property
    def depth(self) -> int:
        return self._structure.depth

    @property
    def path(self) -> Path:
        return self._structure.path

    def read(self, chunk: bytes, at: int) -> int:
        """Read one step from `at` on; returns where the next one begins. Raises BadInput, KeyTwice, TooLarge.

        A step that finds a string's first quote ends behind it, and its content is the next one's.
        """
        room = self._max_bytes - len(self._kept)
        end = min(len(chunk), at + _AT_ONCE, at + room + 1)
        return self._read_string(chunk, at, end) if self.is_in_string else self._read_outside(chunk, at, end)

    def leave_out(self) -> None:
        """What the string that just began holds; the next step begins behind its last quote."""
        self._keep(b'"')
        self._string_at = None
        self._has_lifted = True

    def document(self) -> Any:
        """All of it, with empty strings for what was left out. Raises BadInput (not_json)."""
        if self.is_in_string:
            raise not_json("body", "it ends inside a string")
        self._structure.refuse_open()
        try:
            return orjson.loads(self._kept)
        except orjson.JSONDecodeError as error:
            # What was left out is missing from the position, too.
            raise not_json("body", parsers_words(error, with_position=not self._has_lifted)) from None

    def _read_outside(self, chunk: bytes, at: int, end: int) -> int:
        quote = chunk.find(b'"', at, end)
        stop = end if quote < 0 else quote
        self._structure.pass_over(chunk[at:stop])
        if quote < 0:
            self._keep(chunk[at:stop])
            return stop
        self._keep(chunk[at : stop + 1])
        self._string_at = len(self._kept)
        return stop + 1

    def _read_string(self, chunk: bytes, at: int, end: int) -> int:
        start = at + self._is_escaped
        quote = closing_quote(chunk, start, end)
        if quote < 0:
            self._is_escaped = ends_in_backslash(chunk, start, end)
            self._keep(chunk[at:end])
            return end
        self._keep(chunk[at:quote])
        self._structure.take_string(bytes(self._kept[self._string_at :]))
        self._keep(b'"')
        self._string_at, self._is_escaped = None, False
        return quote + 1

    def _keep(self, piece: bytes) -> None:
        self._kept += piece
        if len(self._kept) > self._max_bytes:
            raise TooLarge(
                f"A JSON body may have {self._max_bytes} bytes besides what stands at images[*].base64; "
                "send what is more in several requests."
            )

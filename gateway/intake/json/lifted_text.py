"""One string of a JSON document that holds base64: decoded as it comes, never held.

Nearly all such strings are base64 and nothing else, which the decoder tells by itself, faster than anything could look
for it. What it refuses may be an escape, a data URI, a line break, or broken: it goes through a parser of JSON first.
"""

import binascii
from collections.abc import Callable
from typing import Final

from attrs import define, field

from gateway.intake.json.base64_text import Base64Text
from gateway.intake.json.string import closing_quote, finished, unescaped

Give = Callable[[bytes], None]

_AT_ONCE: Final = 256 * 1024
"""Bytes of one step, the longest of which takes about a millisecond."""
_AT_FIRST: Final = 1024
"""Bytes of a step that may hold a data URI prefix."""


@define(eq=False)
class LiftedText:
    """Read step by step, up to its last quote, also when it is broken: JSON it has to be all the same.

    `was_plain` says of the last step that it was a quick one.
    """

    has_ended: bool = False
    was_plain: bool = True
    _text: Base64Text = field(factory=Base64Text)
    _begun: bytes = b""
    """Of an escape, or of a character, that goes on in the next step."""

    @property
    def wrong(self) -> str:
        """What is wrong with its base64: then not all of the bytes could be had."""
        return self._text.wrong

    def read(self, chunk: bytes, at: int, give: Give) -> int:
        """Read one step from `at` on, and `give` its bytes away; returns where the next step begins.

        Raises BadInput for what is no string of JSON.
        """
        end = min(len(chunk), at + (_AT_ONCE if self._text.has_begun else _AT_FIRST))
        # The decoder takes no quote: where it takes everything, nobody has to look for one.
        if self._read_plain(chunk, at, end, give):
            return end
        quote = closing_quote(chunk, at + self._begun.endswith(b"\\"), end)
        if quote < 0:
            self._read_any(chunk[at:end], give, is_last=False)
            return end
        if not self._read_plain(chunk, at, quote, give):
            self._read_any(chunk[at:quote], give, is_last=True)
        self.has_ended = True
        if decoded := self._text.end():
            give(decoded)
        return quote + 1

    def _read_plain(self, chunk: bytes, at: int, end: int, give: Give) -> bool:
        """Whether this is base64 and nothing else; if not, nothing was read."""
        self.was_plain = False
        if self._begun:
            return False
        try:
            decoded = self._text.decode(memoryview(chunk)[at:end])
        except binascii.Error:
            return False
        self.was_plain = True
        if decoded:
            give(decoded)
        return True

    def _read_any(self, piece: bytes, give: Give, *, is_last: bool) -> None:
        content = self._begun + piece
        whole = len(content) if is_last else finished(content)
        self._begun = content[whole:]
        if decoded := self._text.read(unescaped(content[:whole])):
            give(decoded)

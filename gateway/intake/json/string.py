r"""The content of a JSON string, between its quotes, as it arrives in pieces (RFC 8259, section 7).

A piece may end anywhere: behind a backslash, inside `\u002b`, between two escapes that are one character, inside a
character of UTF-8. What is finished goes to a real parser, which has the last word on all of it.
"""

import re
from typing import Final

import orjson

from gateway.intake.shape import not_json, parsers_words

_CONTENT: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_BEGUN_ESCAPE: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?")
_HIGH_SURROGATE: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_BEGUN_CHARACTER: Final = re.compile(
    rb"(?:[\xc0-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xff][\x80-\xbf]{0,2})\Z"
)
_LONGEST_ESCAPE: Final = 6
_LONGEST_CHARACTER: Final = 4
_BACKSLASH: Final = ord("\\")
_QUOTE: Final = ord('"')


def closing_quote(text: bytes, start: int, end: int) -> int:
    """Where the first quote is that ends the string, from `start`, which no backslash escapes; -1 if there is none."""
    quote = text.find(b'"', start, end)
    if quote < 0 or not ends_in_backslash(text, start, quote):
        return quote
    # Where one quote is escaped, a million may be: these are passed over by one expression.
    match = _CONTENT.match(text, start, end)
    stop = match.end() if match else end
    return stop if stop < end and text[stop] == _QUOTE else -1


def ends_in_backslash(text: bytes, start: int, end: int) -> bool:
    """Whether what comes next is escaped by a backslash; `start` is not."""
    if end == start or text[end - 1] != _BACKSLASH:
        return False
    piece = text[start:end]
    return (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1


def finished(text: bytes) -> int:
    """How many bytes of a string's piece are whole characters, whatever follows. It begins with a whole one."""
    end = len(text)
    last = text.rfind(b"\\", max(0, end - _LONGEST_ESCAPE + 1))
    if last >= 0 and _BEGUN_ESCAPE.fullmatch(text, last) and not ends_in_backslash(text, 0, last):
        end = last
    high = end - _LONGEST_ESCAPE
    if high >= 0 and _HIGH_SURROGATE.match(text, high) and not ends_in_backslash(text, 0, high):
        end = high
    if end < len(text):
        return end
    begun = _BEGUN_CHARACTER.search(text, max(0, end - _LONGEST_CHARACTER + 1))
    return begun.start() if begun else end


def unescaped(text: bytes) -> str:
    """The text that whole characters stand for. Raises BadInput (not_json)."""
    try:
        content: str = orjson.loads(b'"%b"' % text)
    except orjson.JSONDecodeError as error:
        raise not_json("body", parsers_words(error, with_position=False)) from None
    return content

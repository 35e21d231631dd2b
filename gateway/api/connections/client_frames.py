"""What a client sends over a WebSocket, held against RFC 6455 where aiohttp's reader lets it pass.

It would take frames that are not masked (section 5.1), lengths told in more bytes than they need (5.2), a message begun
in the midst of another that is empty as yet (5.4), and close codes that nobody may send (7.4). Here each fails the
connection with 1002, after all that came before it was read. So does a flood: the smallest frames have six bytes, and
as many as come in one go would keep the loop from everybody else for half a second.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from attrs import define, field

_REFUSED: Final = b"\xf0\x80"
"""The beginning of a frame that aiohttp's reader refuses: with reserved bits, which nobody has agreed on."""

_MOST_AT_ONCE: Final = 4096
"""Frames: several for each job that one connection may follow."""
_MORE_IN_A_SECOND: Final = 256

_CONTINUATION: Final = 0
_CLOSE: Final = 8
_FIRST_CONTROL: Final = 8
_LENGTH_BYTES: Final = {126: 2, 127: 8}
"""In how many bytes more a length is told."""
_LENGTHS: Final = {0: range(126), 2: range(126, 1 << 16), 8: range(1 << 16, 1 << 63)}
"""Which lengths need so many."""
_NEVER_SENT: Final = frozenset((1004, 1005, 1006, 1015))
_CODES: Final = range(1000, 5000)


class Reader(Protocol):
    """aiohttp's."""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Whether no more is to be read, and nothing."""

    def feed_eof(self) -> None:
        """There is no more."""


@define(eq=False)
class ClientFrames:
    """Stands before a reader, which gets the head of a frame once it is whole and right. `now` is in seconds."""

    _reader: Reader
    _now: Callable[[], float]
    _may_come: int = field(init=False, default=_MOST_AT_ONCE)
    """Frames, before a look at the clock."""
    _looked_at: float = field(init=False)
    _held: bytes = field(init=False, default=b"")
    """The beginning of a head."""
    _payload_left: int = field(init=False, default=0)
    """Bytes to come before the next head."""
    _is_in_message: bool = field(init=False, default=False)
    _has_failed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._looked_at = self._now()

    def feed_eof(self) -> None:
        self._reader.feed_eof()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Whether no more is to be read, for the connection has failed; and nothing."""
        if self._has_failed:
            return True, b""
        came = self._held + data
        right, is_wrong_then = self._read(came)
        self._held = came[right:]
        passed_on = came[:right] + _REFUSED if is_wrong_then else came[:right]
        if passed_on:
            self._has_failed, _ = self._reader.feed_data(passed_on)
        return self._has_failed, b""

    def _read(self, data: bytes) -> tuple[int, bool]:
        """How much of it is right, up to a head that is not; or up to one that is not whole, and then False."""
        at = min(self._payload_left, len(data))
        self._payload_left -= at
        while (head := _head_in(data, at)) is not None:
            if not self._allows(head) or self._is_flooded():
                return at, True
            if head.opcode < _FIRST_CONTROL:
                self._is_in_message = not head.is_last
            end = at + head.size + head.length
            at = min(end, len(data))
            self._payload_left = end - at
        return at, False

    def _allows(self, head: "_Head") -> bool:
        is_new_message = _CONTINUATION < head.opcode < _FIRST_CONTROL
        return (
            head.is_masked
            and head.length in _LENGTHS[head.length_bytes]
            and not (self._is_in_message and is_new_message)
            and (
                head.close_code is None or (head.close_code in _CODES and head.close_code not in _NEVER_SENT)
            )
        )

    def _is_flooded(self) -> bool:
        """Counts one more frame."""
        if self._may_come == 0:
            now = self._now()
            self._may_come = min(_MOST_AT_ONCE, round((now - self._looked_at) * _MORE_IN_A_SECOND))
            self._looked_at = now
        self._may_come -= 1
        return self._may_come < 0


class _Head(NamedTuple):
    """All of a frame that stands before its payload."""

    opcode: int
    is_last: bool
    is_masked: bool
    length_bytes: int
    length: int
    size: int
    close_code: int | None


def _head_in(data: bytes, begin: int) -> _Head | None:
    """The one that begins there; None while it is not whole, to the code of a close."""
    left = len(data) - begin
    if left < 2:
        return None
    first, second = data[begin], data[begin + 1]
    opcode, is_masked, length = first & 0x0F, bool(second & 0x80), second & 0x7F
    length_bytes = _LENGTH_BYTES.get(length, 0)
    size = 2 + length_bytes + 4 * is_masked
    has_code = opcode == _CLOSE and is_masked and length >= 2
    if left < size + 2 * has_code:
        return None
    if length_bytes:
        length = int.from_bytes(data[begin + 2 : begin + 2 + length_bytes], "big")
    code = (
        _unmasked(data[begin + size - 4 : begin + size], data[begin + size : begin + size + 2])
        if has_code
        else None
    )
    return _Head(opcode, bool(first & 0x80), is_masked, length_bytes, length, size, code)


def _unmasked(key: bytes, number: bytes) -> int:
    """A number of two bytes."""
    return (number[0] ^ key[0]) << 8 | (number[1] ^ key[1])

"""What the broker sends, before aiormq reads it: the frames of messages go to those who take them, all others on.

Only whole frames are handed on to either, in their order. aiormq counts on hearing something: what others take of its
connection it gets as a heartbeat, which says no more than that the other side is alive. What is no frame, or too large
a one, or can't be read by its taker ends the connection: aiormq gets that as the stream's error, and says good-bye.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Final

from attrs import define, field

from gateway.adapters.broker.rabbitmq.errors import Unreadable
from gateway.adapters.broker.rabbitmq.frames import (
    BODY,
    FRAME_END,
    FRAME_HEAD,
    HEADER,
    HEARTBEAT,
    LARGEST_BODY,
    METHOD,
    OVERHEAD,
)

Taker = Callable[[int, bytes], bool]
"""Gets kind and payload of each frame of a channel; whether it takes it."""

_KINDS: Final = frozenset({METHOD, HEADER, BODY, HEARTBEAT})
_UNREADABLE: Final = (struct.error, IndexError, ValueError)
_HEARTBEAT: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"
_PULSE_S: Final = 0.5
"""How often aiormq hears of what others take; the shortest heartbeat there is has a second."""
_BEFORE_AGREED: Final = 128 * 1024
"""The largest frame of a handshake: far more than any needs."""


@define(eq=False)
class Divider:
    """Divides a stream of bytes. After it has raised, all that comes is dropped."""

    _now: Callable[[], float]
    _takers: dict[int, Taker] = field(init=False, factory=dict)
    _begun: bytearray = field(init=False, factory=bytearray)
    """Of a frame whose end has not come yet."""
    _needed: int = field(init=False, default=FRAME_HEAD.size)
    """Bytes of `_begun` before which it is not worth a look."""
    _largest: int = field(init=False, default=_BEFORE_AGREED)
    _pulse_at: float = field(init=False, default=0.0)
    _is_off: bool = field(init=False, default=False)

    def divert(self, channel: int, taker: Taker) -> None:
        """From now on it is asked first."""
        self._takers[channel] = taker

    def restore(self, channel: int, taker: Taker) -> None:
        """It is asked no more. The number may be another channel's by now: then nothing happens."""
        if self._takers.get(channel) == taker:
            del self._takers[channel]

    def agree(self, frame_max: int) -> None:
        """The handshake's largest frame, of which 0 means any.

        RabbitMQ itself sends larger ones: to headers that just fit it adds those of a death.
        """
        self._largest = 2 * frame_max or LARGEST_BODY

    def rest_of(self, data: bytes) -> bytes:
        """What is left for aiormq of all that has come by now. Raises Unreadable, once."""
        if self._is_off:
            return b""
        if self._begun:
            self._begun += data
            if len(self._begun) < self._needed:
                return b""
            data = bytes(self._begun)
            self._begun.clear()
        try:
            return self._divide(data)
        except _UNREADABLE as error:
            raise self._unreadable(f"a message that can't be read: {error}") from error

    def cut_off(self) -> bytes:
        """What came of a frame before the stream ended in it; once."""
        begun = bytes(self._begun)
        self._begun.clear()
        return begun

    def _divide(self, data: bytes) -> bytes:
        rest: list[bytes] = []
        is_any_taken = False
        at, end = 0, len(data)
        self._needed = FRAME_HEAD.size
        while end - at >= FRAME_HEAD.size:
            kind, channel, size = FRAME_HEAD.unpack_from(data, at)
            after = at + size + OVERHEAD
            if kind not in _KINDS or size > self._largest:
                raise self._unreadable("what is no frame of AMQP 0-9-1")
            if after > end:
                self._needed = after - at
                break
            if data[after - 1] != FRAME_END:
                raise self._unreadable("a frame without its end")
            taker = self._takers.get(channel)
            if taker is not None and taker(kind, data[at + FRAME_HEAD.size : after - 1]):
                is_any_taken = True
            else:
                rest.append(data[at:after])
            at = after
        self._begun += data[at:]
        if is_any_taken and self._is_pulse_due():
            rest.append(_HEARTBEAT)
        return b"".join(rest)

    def _unreadable(self, what: str) -> Unreadable:
        self._is_off = True
        return Unreadable(f"the broker sent {what}")

    def _is_pulse_due(self) -> bool:
        now = self._now()
        if now < self._pulse_at:
            return False
        self._pulse_at = now + _PULSE_S
        return True


class Tap(asyncio.StreamReaderProtocol):
    """The protocol of aiormq's stream, with the divider before it."""

    def __init__(self, reader: asyncio.StreamReader, divider: Divider) -> None:
        super().__init__(reader)
        self._stream = reader
        self._divider = divider

    def data_received(self, data: bytes) -> None:
        try:
            rest = self._divider.rest_of(data)
        except Unreadable as error:
            self._stream.set_exception(error)
            return
        if rest:
            super().data_received(rest)

    def eof_received(self) -> bool | None:
        self._hand_on_what_was_cut_off()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._hand_on_what_was_cut_off()
        super().connection_lost(exc)

    def _hand_on_what_was_cut_off(self) -> None:
        """aiormq tells an end in the middle of a frame from one between two."""
        cut_off = self._divider.cut_off()
        if cut_off:
            super().data_received(cut_off)

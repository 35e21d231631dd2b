"""What a server wrote, in however many pieces it comes, as frames and messages (RFC 6455, 5.2)."""

import json
from collections.abc import Iterator
from typing import Any

from attrs import define, field

from tests.websocket.frames import CONTINUATION, TEXT, Frame, NotConforming


@define
class Decoder:
    """Raises NotConforming at what no server may send."""

    _held: bytearray = field(factory=bytearray)
    _begun: bytearray | None = None
    """A message of which not all has come."""

    @property
    def is_between_messages(self) -> bool:
        """Nothing has come in part."""
        return not self._held and self._begun is None

    def frames(self, data: bytes | bytearray) -> Iterator[Frame]:
        """Those that are whole with these bytes."""
        self._held += data
        while (parsed := _parsed(self._held)) is not None:
            frame, size = parsed
            del self._held[:size]
            yield frame

    def messages(self, data: bytes | bytearray) -> Iterator[dict[str, Any]]:
        """The texts among them, as JSON objects."""
        for frame in self.frames(data):
            if frame.opcode in (TEXT, CONTINUATION):
                self._begin_or_go_on(frame)
                if frame.fin:
                    text, self._begun = bytes(self._begun or b""), None
                    yield json.loads(text)

    def _begin_or_go_on(self, frame: Frame) -> None:
        if (frame.opcode == TEXT) != (self._begun is None):
            raise NotConforming("a message in the midst of another, or the rest of none")
        self._begun = (self._begun or bytearray()) + frame.payload


def messages_in(data: bytes | bytearray) -> list[dict[str, Any]]:
    """All of what was written; nothing may be in part."""
    decoder = Decoder()
    messages = list(decoder.messages(data))
    assert decoder.is_between_messages
    return messages


def _parsed(data: bytearray) -> tuple[Frame, int] | None:
    """The first frame and its size; None where it is not whole."""
    if len(data) < 2:
        return None
    first, second = data[0], data[1]
    if first & 0x70 or second & 0x80:
        raise NotConforming("reserved bits, or a mask")
    length_bytes = {126: 2, 127: 8}.get(second, 0)
    begin = 2 + length_bytes
    if len(data) < begin:
        return None
    length = int.from_bytes(data[2:begin], "big") if length_bytes else second
    if length_bytes and length <= {2: 125, 8: 65_535}[length_bytes]:
        raise NotConforming(f"{length} in {length_bytes} bytes")
    if len(data) < begin + length:
        return None
    frame = Frame(first & 0x0F, bytes(data[begin : begin + length]), bool(first & 0x80))
    return frame, begin + length

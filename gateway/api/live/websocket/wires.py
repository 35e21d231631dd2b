"""How news is written on a WebSocket, and the frames in which it stands (RFC 6455, section 5)."""

from collections.abc import Sequence
from typing import Final

from attrs import define

from gateway.api.live.event_texts import EventTexts
from gateway.api.views import opening_fields, to_json
from gateway.domain.events import Event, state_after
from gateway.events.stream import EventStream
from gateway.events.wire import Opening

_FIN: Final = 0x80
_TEXT: Final = 0x1
_CLOSE: Final = 0x8
_PONG: Final = 0xA
PING: Final = bytes((_FIN | 0x9, 0))
"""An empty one, which every client answers by itself (RFC 6455, 5.5.2)."""


def text_message(text: bytes) -> bytes:
    """A message of a server as RFC 6455 (5.2) has it on the wire: in one frame, not masked."""
    return _frame(_FIN | _TEXT, text)


def pong(data: bytes) -> bytes:
    """The answer to a ping that has that data (5.5.3)."""
    return _frame(_FIN | _PONG, data)


def close_message(code: int | None) -> bytes:
    """The last frame (5.5.1); without a code, as an answer to one that has none."""
    return _frame(_FIN | _CLOSE, code.to_bytes(2) if code else b"")


def _frame(head: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 1 << 16:
        return bytes((head, 126)) + size.to_bytes(2) + payload
    return bytes((head, 127)) + size.to_bytes(8) + payload


@define(eq=False)
class WebSocketWire:
    """One JSON object a text message, never two."""

    _texts: EventTexts
    _stream: EventStream
    _heartbeat_s: float

    def opening(self, job_id: str, opening: Opening) -> bytes:
        position = str(self._stream.position(opening.event))
        return text_message(to_json(opening_fields(job_id, opening, position, self._heartbeat_s)))

    def news(self, job_id: str, events: Sequence[Event]) -> bytes:
        return b"".join([text_message(self._texts.of(job_id, event)) for event in events])

    def repeat(self, job_id: str, event: Event) -> bytes:
        """The state once more, for clients that know no other message, and a ping, which is to be answered."""
        return PING + text_message(self._texts.of(job_id, state_after(event)))

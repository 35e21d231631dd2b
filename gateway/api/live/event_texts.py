"""The events of jobs as JSON, written once for all who follow, at whichever door."""

from collections import OrderedDict
from typing import Final

from attrs import define, field

from gateway.api.views import event_fields, to_json
from gateway.domain.events import Event, EventType
from gateway.events.stream import EventStream

EVENT_CACHE_BYTES: Final = 8 * 1024 * 1024


@define(eq=False)
class EventTexts:
    """Events as JSON, one line each; the newest are kept in `capacity_bytes`."""

    _stream: EventStream
    capacity_bytes: int = EVENT_CACHE_BYTES
    _kept: OrderedDict[tuple[str, int, EventType], bytes] = field(factory=OrderedDict)
    _held_bytes: int = 0

    def of(self, job_id: str, event: Event) -> bytes:
        key = (job_id, event.seq, event.type)
        text = self._kept.get(key)
        if text is None:
            text = self._kept[key] = to_json(event_fields(job_id, event, str(self._stream.position(event))))
            self._held_bytes += _held_by(text)
            while self._held_bytes > self.capacity_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._held_bytes -= _held_by(dropped)
        return text


def _held_by(text: bytes) -> int:
    """Bytes, with its key and its place in the dictionary."""
    return len(text) + 400

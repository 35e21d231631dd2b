"""How news is written into answers of HTTP: as server-sent events, or as results, one JSON object a line.

An answer in chunks (RFC 9112, 7.1) has each piece of news as a chunk; without them, over HTTP/1.0, it is the bare text.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, Generic, Protocol, Self, TypeVar

from aiohttp import HttpVersion11, web
from attrs import define, evolve, frozen

from gateway.api.live.event_texts import EventTexts
from gateway.api.views import heartbeat_fields, opening_fields, result_fields, to_json
from gateway.domain.events import Event, EventType
from gateway.events.stream import EventStream
from gateway.events.wire import Opening, Wire

RETRY_MS: Final = 2000
"""After which a browser comes back by itself."""
_SPREAD_MS: Final = (500, 5000)
"""The same when all were sent away at once."""

Framing = Callable[[bytes], bytes]
W = TypeVar("W")


class HttpWire(Wire, Protocol):
    """Of a whole answer."""

    @property
    def tells_its_end(self) -> bool:
        """Whether what is written says that there is no more to come; else that is for the end of the answer."""

    def sign_of_life(self, job_id: str) -> bytes:
        """What is written now and then, so that silence tells of a connection that is dead."""

    def farewell(self) -> bytes:
        """What is written last to one who is to come back."""


def plain(text: bytes) -> bytes:
    """The body of an answer that ends with its connection."""
    return text


def chunked(text: bytes) -> bytes:
    """A chunk; of nothing none, for an empty one would end the answer."""
    return b"%x\r\n%b\r\n" % (len(text), text) if text else b""


@define(eq=False)
class EventStreamWire:
    """Server-sent events as the HTML standard has them (9.2)."""

    _texts: EventTexts
    _stream: EventStream
    _heartbeat_s: float
    _now: Callable[[], datetime]
    _framing: Framing

    @property
    def tells_its_end(self) -> bool:
        return True

    def opening(self, job_id: str, opening: Opening) -> bytes:
        """Its `id` names what is seen for sure, so that who loses the connection now still gets the end of the job."""
        fields = opening_fields(job_id, opening, self._position(opening.event), self._heartbeat_s)
        seen = self._position(evolve(opening.event, seq=opening.seq))
        first = _event(EventType.PROGRESS, to_json(fields), seen)
        return self._framing(b"retry: %d\n%b" % (RETRY_MS, first))

    def news(self, job_id: str, events: Sequence[Event]) -> bytes:
        told = [_event(event.type, self._texts.of(job_id, event), self._position(event)) for event in events]
        return self._framing(b"".join(told))

    def sign_of_life(self, job_id: str) -> bytes:
        """It has no id, for it is no event of the job."""
        return self._framing(_event("heartbeat", to_json(heartbeat_fields(job_id, self._now()))))

    def farewell(self) -> bytes:
        return self._framing(b"retry: %d\n\n" % random.randint(*_SPREAD_MS))  # noqa: S311 - keeps no secret

    def _position(self, event: Event) -> str:
        return str(self._stream.position(event))


def _event(kind: str, data: bytes, position: str | None = None) -> bytes:
    """JSON has no line break in it, so it is one line of data."""
    name = b"" if position is None else b"id: %b\n" % position.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (name, kind.encode(), data)


@define(eq=False)
class ResultsWire:
    """Images that have ended, one a line, and nothing else."""

    _stream: EventStream
    _framing: Framing

    @property
    def tells_its_end(self) -> bool:
        return False

    def opening(self, job_id: str, opening: Opening) -> bytes:
        return b""

    def news(self, job_id: str, events: Sequence[Event]) -> bytes:
        return self._framing(self.lines(events))

    def sign_of_life(self, job_id: str) -> bytes:
        return self._framing(b"\n")

    def farewell(self) -> bytes:
        return b""

    def lines(self, events: Iterable[Event]) -> bytes:
        """Of those events that are ends of images; without framing."""
        return b"".join(
            [
                to_json(result_fields(event.image, str(self._stream.position(event)))) + b"\n"
                for event in events
                if event.image is not None
            ]
        )


@frozen
class Wires(Generic[W]):
    """One for each framing."""

    in_chunks: W
    bare: W

    def of(self, request: web.Request) -> W:
        return self.in_chunks if takes_chunks(request) else self.bare


@frozen
class HttpWires:
    """All there are; the events are the same JSON as at other doors."""

    events: Wires[EventStreamWire]
    results: Wires[ResultsWire]

    @classmethod
    def of(
        cls, stream: EventStream, texts: EventTexts, heartbeat_s: float, now: Callable[[], datetime]
    ) -> Self:
        def events(framing: Framing) -> EventStreamWire:
            return EventStreamWire(texts, stream, heartbeat_s, now, framing)

        return cls(
            events=Wires(events(chunked), events(plain)),
            results=Wires(ResultsWire(stream, chunked), ResultsWire(stream, plain)),
        )


def takes_chunks(request: web.Request) -> bool:
    """Before HTTP/1.1 nobody knew of them."""
    return request.version >= HttpVersion11


def frame(response: web.StreamResponse, *, in_chunks: bool) -> None:
    """How its end is to be known."""
    if in_chunks:
        response.enable_chunked_encoding()
    else:
        # aiohttp would keep the connection of a client of HTTP/1.0 that asks for it, and the answer had no end.
        response.force_close()

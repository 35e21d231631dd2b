"""Which request bodies are let in. All of it is said before a byte of the body is read, or asked for.

Here are the bounds on its declared size, on how it may be packed, and on the requests that bring one at a time.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web
from attrs import define

from gateway.api.bodies.sent_body import sent_body
from gateway.background import Background
from gateway.errors import TooLarge, Unavailable
from gateway.intake.bytes_in_flight import BytesInFlight
from gateway.intake.content_coding import coding_of, unpacked
from gateway.intake.settings import IntakeSettings
from gateway.telemetry.metrics import IntakeMetrics

_RETRY_WHEN_FULL_S: Final = 2


@define(eq=False)
class Admission:
    """Lets requests with bodies in, at most `max_requests` at a time, and none while images wait for memory."""

    _settings: IntakeSettings
    _background: Background
    _in_flight: BytesInFlight
    _metrics: IntakeMetrics
    _inside: int = 0

    def body_of(self, request: web.BaseRequest, max_bytes: int) -> AsyncIterator[bytes]:
        """The body, unpacked, of which nothing is read yet. Reading raises as `sent_body` and `unpacked` do.

        Raises UnsupportedCoding, and TooLarge for a declared length over the bound.
        """
        coding = coding_of(request.headers.getall("Content-Encoding", ()))
        if (request.content_length or 0) > max_bytes:
            raise TooLarge(f"The body has {request.content_length} bytes; at most {max_bytes} are taken.")
        return unpacked(sent_body(request, self._settings, max_bytes), coding, max_bytes)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A request's place, which it has as long as the context lasts.

        Raises Unavailable: stopping, or too many or too much at once. It comes last, behind all that no later try would
        make good.
        """
        if self._background.stopping.is_set():
            raise Unavailable("The gateway is stopping.", code="stopping")
        if self._inside >= self._settings.max_requests:
            raise _busy("Too many requests are being received.")
        if self._in_flight.is_full:
            raise _busy("Too much is on its way into the object storage.")
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        self._inside += more
        self._metrics.requests.set(self._inside)


def _busy(text: str) -> Unavailable:
    return Unavailable(text, code="busy", retry_after_s=_RETRY_WHEN_FULL_S)

"""Which request bodies are let in, and how long their senders may take.

aiohttp sets no deadline and no limit on a body that is read as a stream, so all of it is here: a bound on the
requests that bring one at a time and on what they hold in memory, on the declared size, on silence, on slowness and
on the whole.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError
from attrs import define

from gateway.api.problems import of_error, of_server
from gateway.background import Background
from gateway.cancellation import times_cancelled
from gateway.errors import BadInput, GatewayError, TooLarge, TooSlow, Unavailable, UnsupportedMedia
from gateway.intake.reader import is_json
from gateway.intake.settings import IntakeSettings

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_RETRY_WHEN_FULL_S: Final = 2


@define(eq=False)
class Admission:
    """Lets requests with bodies in, at most `max_requests` at a time, of JSON at most `max_held_bytes`."""

    _settings: IntakeSettings
    _background: Background
    _inside: int = 0
    _held_bytes: int = 0

    @contextmanager
    def admit(self, request: web.Request) -> Iterator[AsyncIterator[bytes]]:
        """The guarded body of a request, which counts as long as the context lasts. Raises as `check`."""
        self.check(request)
        held = _held_bytes(request, self._settings)
        self._inside += 1
        self._held_bytes += held
        try:
            yield guarded_body(request.content, self._settings)
        finally:
            self._inside -= 1
            self._held_bytes -= held

    def check(self, request: web.Request) -> None:
        """What can be refused before a byte of the body is read.

        Raises Unavailable (stopping, or too many or too much at once), UnsupportedMedia (Content-Encoding), TooLarge.
        """
        if self._background.stopping.is_set():
            raise Unavailable("The gateway is stopping.", code="stopping")
        if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise UnsupportedMedia("A body with a Content-Encoding is not taken; send it as it is.")
        bound = _bound(request, self._settings)
        if (request.content_length or 0) > bound:
            raise TooLarge(f"The body has {request.content_length} bytes; at most {bound} are taken.")
        if self._inside >= self._settings.max_requests:
            raise _busy("Too many requests are being received.")
        held = _held_bytes(request, self._settings)
        if held and self._held_bytes and self._held_bytes + held > self._settings.max_held_bytes:
            raise _busy("Too much JSON is being received; multipart/form-data is not held in memory.")

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """Answer `Expect: 100-continue`: refuse at once, before the client sends its body, or ask for it."""
        try:
            self.check(request)
        except GatewayError as error:
            answer = of_error(error)
            answer.force_close()
            return answer
        return await meet_expectation(request)


async def meet_expectation(request: web.Request) -> web.StreamResponse | None:
    """Ask for the body (`Expect: 100-continue`), or refuse another expectation (RFC 9110, section 10.1.1)."""
    if request.headers["Expect"].lower() != "100-continue":
        return of_server(web.HTTPExpectationFailed())
    await request.writer.write(_CONTINUE)
    # aiohttp takes bytes that were written for an answer that was begun.
    request.writer.output_size = 0
    return None


async def guarded_body(content: aiohttp.StreamReader, settings: IntakeSettings) -> AsyncIterator[bytes]:
    """The body as it comes; only time spent waiting for the sender counts against the sender's rate.

    Raises TooSlow, BadInput for broken framing, and ConnectionResetError when the client has left.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + settings.total_s
    received, waited = 0, 0.0
    while True:
        asked = loop.time()
        chunk = await _next_chunk(content, min(settings.silence_s, end - asked))
        if not chunk:
            return
        received += len(chunk)
        waited += loop.time() - asked
        if received < (waited - settings.grace_s) * settings.min_bytes_per_s:
            raise TooSlow(f"The body came too slowly: {received} bytes in {waited:.0f} seconds.")
        yield chunk


async def _next_chunk(content: aiohttp.StreamReader, patience_s: float) -> bytes:
    """The bytes that are there, at the end of the body none."""
    cancelled_before = times_cancelled()
    try:
        # What has come already needs no deadline, which would cost more than the rest of this.
        if (chunk := content.read_nowait()) or content.at_eof():
            return chunk
        async with asyncio.timeout(patience_s):
            return await content.readany()
    except TimeoutError:
        raise TooSlow("The body did not come in time.") from None
    except asyncio.CancelledError:
        if times_cancelled() > cancelled_before:
            raise
        # A stop that has waited long enough makes aiohttp end the stream so, and the task is not cancelled.
        raise Unavailable("The gateway is stopping.", code="stopping") from None
    except (PayloadEncodingError, web.RequestPayloadError) as error:
        raise BadInput("The body's transfer coding is broken.", detail=str(error)) from None


def _bound(request: web.Request, settings: IntakeSettings) -> int:
    return settings.max_json_bytes if _brings_json(request) else settings.max_body_bytes


def _held_bytes(request: web.Request, settings: IntakeSettings) -> int:
    """What the body may take of memory: JSON is held whole, by its declared length or else its bound."""
    if not _brings_json(request):
        return 0
    declared = request.content_length
    return settings.max_json_bytes if declared is None else declared


def _brings_json(request: web.Request) -> bool:
    return is_json(request.headers.get("Content-Type", ""))


def _busy(text: str) -> Unavailable:
    return Unavailable(text, code="busy", retry_after_s=_RETRY_WHEN_FULL_S)

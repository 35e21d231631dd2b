"""The body of a request as it comes, how large it may be, and how long its sender may take.

aiohttp sets neither a bound nor a deadline to a body that is read as a stream, so all of it is here: on its size, on
silence, on slowness and on the whole. Only time spent waiting for the sender counts as slowness: one that is held up
by us is never blamed for it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError

from gateway.api.bodies.expectations import ask_for_body
from gateway.api.bodies.patience import Patience
from gateway.cancellation import times_cancelled
from gateway.errors import BadInput, TooLarge, TooSlow, Unavailable
from gateway.intake.settings import IntakeSettings

_STORED_SLOWLY: Final = "The gateway took too long to store the body."


async def sent_body(
    request: web.BaseRequest, settings: IntakeSettings, max_bytes: int
) -> AsyncIterator[bytes]:
    """The bytes in pieces, asked for first where the client waits for that.

    Raises TooSlow, TooLarge past `max_bytes`, BadInput for broken framing, ConnectionResetError when the client has
    left, and Unavailable when the gateway stops, or was itself what made the body take longer than it may.
    """
    await ask_for_body(request)
    loop = asyncio.get_running_loop()
    patience, end = Patience(), loop.time() + settings.total_s
    is_chunked = request.content_length is None
    received, waited = 0, 0.0
    while True:
        asked = loop.time()
        if asked > end:
            raise _out_of_time(waited, settings)
        patience.deadline = min(asked + settings.silence_s, end)
        chunk = await _next_chunk(request.content, is_chunked, patience)
        if not chunk:
            return
        received += len(chunk)
        if received > max_bytes:
            raise TooLarge(f"The body is larger than {max_bytes} bytes.")
        waited += loop.time() - asked
        if received < (waited - settings.grace_s) * settings.min_bytes_per_s:
            raise TooSlow(f"The body came too slowly: {received} bytes in {waited:.0f} seconds.")
        yield chunk


def _out_of_time(waited: float, settings: IntakeSettings) -> TooSlow | Unavailable:
    """Whose fault it is. The bound holds all the same: what was stored for a request is kept no longer than that."""
    if waited > settings.total_s / 2:
        return TooSlow(f"The body took longer than {settings.total_s:.0f} seconds.")
    return Unavailable(_STORED_SLOWLY)


async def _next_chunk(content: aiohttp.StreamReader, is_chunked: bool, patience: Patience) -> bytes:
    """Bytes that are there, at the end of the body none."""
    try:
        with patience:
            if is_chunked:
                # A byte may have a chunk of its own: all that are there come as one.
                return await content.readany()
            # As they came: half a megabyte may lie there, and to join it takes longer than to decode it.
            chunk, _ = await content.readchunk()
            return chunk
    except TimeoutError:
        raise TooSlow("The body did not come in time.") from None
    except asyncio.CancelledError:
        if times_cancelled() > patience.cancelled_before:
            raise
        # A stop that has waited long enough makes aiohttp end the stream so, and the task is not cancelled.
        raise Unavailable("The gateway is stopping.", code="stopping") from None
    except (PayloadEncodingError, web.RequestPayloadError) as error:
        raise BadInput("The body's transfer coding is broken.", detail=str(error)) from None

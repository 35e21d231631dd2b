"""One request to an endpoint that speaks chat completions.

Promises: the key goes to that host alone, for no redirect is followed; no answer of more than MAX_ANSWER_BYTES is held;
no wait is longer than it may be; whatever goes wrong is a RequestFailed that says what it means. Trying again is left
to others.
"""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import aiohttp
from attrs import frozen

from gateway.analyzer.vision.failures import RequestFailed, hopeless, in_trouble, unreadable
from gateway.analyzer.vision.replies import Reply, reply_of
from gateway.analyzer.vision.settings import VisionSettings
from gateway.analyzer.vision.words import Unreadable
from gateway.cancellation import times_cancelled

MAX_ANSWER_BYTES: Final = 1024 * 1024
CONNECT_S: Final = 10.0
SHORTEST_KEY: Final = 16
"""What is shorter is a word that a server of one's own wants to see, and no secret."""
_BROKEN = "breaks the connection"


@frozen
class Endpoint:
    """Made by `opened`, which also closes it."""

    _session: aiohttp.ClientSession
    _settings: VisionSettings

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: VisionSettings) -> AsyncIterator["Endpoint"]:
        """Names are looked up by c-ares, whose look-ups end when they are cancelled (as in fetch/downloader.py)."""
        async with AsyncExitStack() as stack:
            resolver = aiohttp.AsyncResolver()
            stack.push_async_callback(resolver.close)
            connector = aiohttp.TCPConnector(limit=settings.max_in_flight, resolver=resolver)
            session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                headers=_headers(settings),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,  # it would read .netrc as well
            )
            yield cls(await stack.enter_async_context(session), settings)

    async def ask(self, body: bytes, *, within_s: float) -> Reply:
        """The model's reply. Raises RequestFailed."""
        cancelled_before = times_cancelled()
        try:
            async with asyncio.timeout(within_s):
                return await self._ask(body)
        except asyncio.CancelledError as error:
            # aiohttp raises it bare when a connection ends under it; only a counted one is meant for us.
            if times_cancelled() > cancelled_before:
                raise
            raise in_trouble(_BROKEN) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _named(error, within_s) from error

    async def _ask(self, body: bytes) -> Reply:
        whole = io.BytesIO(body)  # read piece by piece, where bytes of some size would be written in one go
        request = self._session.post(
            self._settings.endpoint, data=whole, allow_redirects=False, proxy=self._settings.proxy or None
        )
        async with request as answer:
            return reply_of(answer.status, answer.headers, self._without_key(await _whole(answer)))

    def _without_key(self, answer: bytes) -> bytes:
        """An endpoint may repeat the key that it refuses, and what it says goes into the log."""
        key = self._settings.api_key
        return answer.replace(key.encode(), b"***") if len(key) >= SHORTEST_KEY else answer


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    received = bytearray()
    async for chunk in answer.content.iter_any():
        received += chunk
        if len(received) > MAX_ANSWER_BYTES:
            raise unreadable(
                Unreadable(f"The vision endpoint answers with more than {MAX_ANSWER_BYTES} bytes.")
            )
    return bytes(received)


def _named(error: Exception, within_s: float) -> RequestFailed:
    """The first that fits: aiohttp's errors are TimeoutErrors, OSErrors and ValueErrors as well."""
    match error:
        case TimeoutError():
            return in_trouble(f"did not answer within {within_s:.3g} s", outcome="timed_out")
        case aiohttp.ClientConnectorCertificateError():
            return hopeless("has no valid TLS certificate")
        case aiohttp.ClientHttpProxyError():
            return in_trouble(f"is behind a proxy that does not let us through ({error.status})")
        case aiohttp.ClientConnectorDNSError():
            return in_trouble("has a host whose name was not found")
        case aiohttp.ClientConnectorError():
            return in_trouble("accepts no connection", str(error.os_error))
        case aiohttp.ClientPayloadError():
            return in_trouble("ends its answer too early")
        case aiohttp.InvalidURL():
            return hopeless("has no valid address: look at vision.url")
        case _:
            return in_trouble(_BROKEN, type(error).__name__)


def _headers(settings: VisionSettings) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "batch-gateway",
    }
    return headers | ({"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {})

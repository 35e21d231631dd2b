"""A URL to a stream of bytes, from nowhere but where the policy allows.

Promises: every connection, of every hop, is checked on the address that its socket connects to (`guard`); no more
than `max_bytes` are handed on, and only of an answer that may be an image; no wait for the other side exceeds its
bound, however it drips (`patience`); names are looked up without a thread (see `create`), so that a name server that
hangs holds up no other download and no stop; nothing of ours (cookies, credentials, `.netrc`) goes out.

Left to others: whether the bytes are an image, trying again, and how many downloads run at once.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import aiohttp
from aiohttp.abc import AbstractResolver
from attrs import frozen
from yarl import URL

from gateway.fetch.addresses import AddressPolicy
from gateway.fetch.answers import demand_an_image, redirect_target, sent_too_much
from gateway.fetch.failures import DownloadFailed, DownloadRefused, masked
from gateway.fetch.guard import socket_factory
from gateway.fetch.patience import Patience
from gateway.fetch.policy import FetchPolicy
from gateway.fetch.settings import FetchSettings
from gateway.fetch.urls import UrlRefused, UrlUnreadable, next_hop, readable


@frozen
class Downloader:
    """Opens URLs for reading. Made by `create`, which also closes it."""

    _session: aiohttp.ClientSession
    _policy: FetchPolicy
    _settings: FetchSettings
    _max_bytes: int

    @classmethod
    @asynccontextmanager
    async def create(
        cls, settings: FetchSettings, *, max_bytes: int, resolver: AbstractResolver | None = None
    ) -> AsyncIterator["Downloader"]:
        """Names are looked up as resolv.conf and /etc/hosts say unless there is a `resolver`, which its maker closes.

        By c-ares (aiodns), not by getaddrinfo, which can't be cancelled: it keeps its thread, of which there are
        few, and the end of the process waits for it. nsswitch.conf and its modules are not asked.
        """
        policy = FetchPolicy.of(settings)
        async with AsyncExitStack() as stack:
            if resolver is None:
                resolver = aiohttp.AsyncResolver()
                stack.push_async_callback(resolver.close)
            session = await stack.enter_async_context(_session(settings, policy.addresses, resolver))
            yield cls(session, policy, settings, max_bytes)

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body that `url` leads to, chunk by chunk: 1 to `max_bytes` bytes in all.

        Raises DownloadFailed or DownloadRefused, on entering or while the chunks are read. Leaving before the last
        chunk ends the connection.
        """
        patience = Patience(url, self._settings)
        response = await self._final_answer(url, patience)
        try:
            demand_an_image(
                url,
                response.status,
                response.headers,
                max_bytes=self._max_bytes,
                extra_types=self._settings.extra_content_types,
            )
            async with aclosing(self._body(url, response, patience)) as chunks:
                yield chunks
        finally:
            response.close()

    async def _final_answer(self, url: str, patience: Patience) -> aiohttp.ClientResponse:
        """Redirects are followed by hand: each hop is checked anew and carries nothing over."""
        try:
            hop = readable(url)
            for _ in range(self._settings.max_redirects + 1):
                response = await self._ask(url, hop, patience)
                location = redirect_target(response.status, response.headers)
                if location is None:
                    return response
                response.close()
                hop = next_hop(hop, location)
        except UrlRefused as error:
            raise DownloadRefused(url, str(error)) from error
        except UrlUnreadable as error:
            raise DownloadFailed(url, str(error)) from error
        raise DownloadFailed(url, f"redirects more than {self._settings.max_redirects} times")

    async def _ask(self, url: str, hop: URL, patience: Patience) -> aiohttp.ClientResponse:
        reason = self._policy.forbidden_as_it_stands(hop)
        if reason is not None:
            raise DownloadRefused(url, reason, detail=masked(str(hop)))
        async with patience.waiting():
            return await self._session.get(hop, allow_redirects=False)

    async def _body(
        self, url: str, response: aiohttp.ClientResponse, patience: Patience
    ) -> AsyncGenerator[bytes, None]:
        received = 0
        while chunk := await _next_chunk(response, patience):
            received += len(chunk)
            if received > self._max_bytes:
                raise sent_too_much(url, self._max_bytes)
            yield chunk
        if not received:
            raise DownloadFailed(url, "sent nothing")


async def _next_chunk(response: aiohttp.ClientResponse, patience: Patience) -> bytes:
    async with patience.waiting():
        return await response.content.readany()


def _session(
    settings: FetchSettings, addresses: AddressPolicy, resolver: AbstractResolver
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(socket_factory=socket_factory(addresses), resolver=resolver, limit=0),
        timeout=aiohttp.ClientTimeout(
            total=None, connect=settings.connect_timeout_s, sock_read=settings.read_timeout_s
        ),
        headers={
            "Accept": "image/jpeg, image/png, image/*;q=0.5",
            "Accept-Encoding": "identity",
            "User-Agent": settings.user_agent,
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,  # through a proxy, the guard would see the proxy's address alone
    )

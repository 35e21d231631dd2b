"""A URL to a stream of bytes, from nowhere but where the policy allows.

Promises: every hop has a connection of its own, checked on the address that its socket connects to (`guard`), unless
the operator has it made by a proxy (`routes`); no more than `max_bytes` are handed on, and only of an answer that may
be an image; no wait for the other side exceeds its bound, however it drips (`patience`); a name server that hangs holds
up no other download and no stop; nothing of ours (cookies, credentials, `.netrc`) goes out.

Left to others: whether the bytes are an image, trying again, and how many downloads run at once.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import aiohttp
from aiohttp.abc import AbstractResolver
from attrs import frozen
from yarl import URL

from gateway.fetch.answers import demand_an_image, redirect_target, sent_too_much
from gateway.fetch.connecting.routes import Routes
from gateway.fetch.failures import DownloadFailed, DownloadRefused
from gateway.fetch.hosts import host_of
from gateway.fetch.patience import Patience
from gateway.fetch.policy import FetchPolicy
from gateway.fetch.settings import FetchSettings
from gateway.fetch.urls import UrlRefused, UrlUnreadable, next_hop, readable


@frozen
class Downloader:
    """Opens URLs for reading. Made by `create`, which also closes it."""

    _routes: Routes
    _policy: FetchPolicy
    _settings: FetchSettings
    _max_bytes: int

    @classmethod
    @asynccontextmanager
    async def create(
        cls, settings: FetchSettings, *, max_bytes: int, resolver: AbstractResolver | None = None
    ) -> AsyncIterator["Downloader"]:
        """Names are looked up as the system says unless there is a `resolver`, which its maker closes.

        Raises ProxyUnusable.
        """
        policy = FetchPolicy.of(settings)
        async with Routes.open(settings, policy.addresses, resolver) as routes:
            yield cls(routes, policy, settings, max_bytes)

    @property
    def warnings(self) -> Sequence[str]:
        """What makes the check of addresses worth less: a line each, for readyz."""
        return self._routes.warnings

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
                host=host_of(str(response.url)),
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
            raise DownloadRefused(url, reason)
        async with patience.waiting():
            return await self._routes.get(hop)

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

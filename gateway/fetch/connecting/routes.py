"""How a site is reached: by sockets of ours, each of them guarded, or by a proxy that the operator told us to use.

Each request has a connection of its own. On one that is used again, a site that can be made to answer twice to one
request (by a line break in a parameter of its URL) has its second answer taken for that to somebody else's download.

Names are looked up by c-ares (aiodns), not by getaddrinfo, which can't be cancelled: it keeps its thread, of which
there are few, and the end of the process waits for it. nsswitch.conf and its modules are not asked.

What goes by the proxy is not guarded: the proxy looks the name up and connects, so the proxy alone can tell where that
leads. Its connections leave by a session of their own, which connects to the proxies' ports alone.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Self

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver
from attrs import frozen
from yarl import URL

from gateway.fetch.addresses import AddressPolicy
from gateway.fetch.connecting.few_addresses import FewAddresses
from gateway.fetch.connecting.guard import socket_factory
from gateway.fetch.connecting.proxies import Proxies
from gateway.fetch.settings import FetchSettings

log = structlog.get_logger(__name__)

_BY_PROXY: Final = (
    "downloads go by the proxy that the environment names (fetch.proxy_from_environment), which looks names up and "
    "connects: which addresses may be reached is up to the proxy"
)
_ANYWHERE: Final = ("0.0.0.0/0", "::/0")


@frozen
class Routes:
    """The sessions by which URLs are asked. Made by `open`, which also closes them."""

    _guarded: aiohttp.ClientSession
    _by_proxy: aiohttp.ClientSession
    _proxies: Proxies

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: FetchSettings, addresses: AddressPolicy, resolver: AbstractResolver | None
    ) -> AsyncIterator[Self]:
        """Names are looked up as resolv.conf and /etc/hosts say unless there is a `resolver`. Raises ProxyUnusable."""
        proxies = Proxies.of_environment() if settings.proxy_from_environment else Proxies()
        async with AsyncExitStack() as stack:
            if resolver is None:
                resolver = aiohttp.AsyncResolver()
                stack.push_async_callback(resolver.close)
            guarded = by_proxy = await stack.enter_async_context(_session(settings, addresses, resolver))
            if proxies:
                log.warning("downloads go by a proxy", reason=_BY_PROXY)
                to_proxies = AddressPolicy(_ANYWHERE, proxies.ports)
                by_proxy = await stack.enter_async_context(_session(settings, to_proxies, resolver))
            yield cls(guarded, by_proxy, proxies)

    async def get(self, url: URL) -> aiohttp.ClientResponse:
        """The answer, without its body and without following it anywhere."""
        proxy = self._proxies.of(url)
        session = self._guarded if proxy is None else self._by_proxy
        return await session.get(url, allow_redirects=False, proxy=proxy)

    @property
    def warnings(self) -> Sequence[str]:
        return [_BY_PROXY] if self._proxies else []


def _session(
    settings: FetchSettings, addresses: AddressPolicy, resolver: AbstractResolver
) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        socket_factory=socket_factory(addresses),
        resolver=FewAddresses(resolver),
        limit=0,
        force_close=True,  # so that an answer too many is never taken for that to another download
    )
    return aiohttp.ClientSession(
        connector=connector,
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
        trust_env=False,  # proxies are chosen here; .netrc is nobody's business
    )

"""The proxies that the environment names, read as curl and Python's urllib read them.

HTTP_PROXY and HTTPS_PROXY, or the same in small letters, which win; NO_PROXY: hosts that are asked without one, by
comma, each with all names below it, `*` for all. No networks: `10.0.0.0/8` there is no host's name.
ALL_PROXY is not read: what it alone names is asked without a proxy, and guarded.
"""

from collections.abc import Mapping
from typing import Final, Self
from urllib.request import getproxies, proxy_bypass

from attrs import frozen
from yarl import URL

from gateway.fetch.domains import normalised
from gateway.fetch.urls import parsed

SCHEMES: Final = ("http", "https")


class ProxyUnusable(ValueError):
    """The environment names a proxy that can't be used; the text says which variable, and never its value."""


@frozen
class Proxies:
    """By the scheme of what is asked; none at first."""

    _by_scheme: Mapping[str, URL] = {}

    @classmethod
    def of_environment(cls) -> Self:
        """Raises ProxyUnusable."""
        named = getproxies()
        return cls({scheme: _proxy(scheme, named[scheme]) for scheme in SCHEMES if named.get(scheme)})

    def __bool__(self) -> bool:
        return bool(self._by_scheme)

    @property
    def ports(self) -> frozenset[int]:
        return frozenset(proxy.port or 0 for proxy in self._by_scheme.values())

    def of(self, url: URL) -> URL | None:
        """The one that `url` is asked by; None: it is asked without."""
        proxy = self._by_scheme.get(url.scheme)
        if proxy is None or proxy_bypass(f"{normalised(url.raw_host or '')}:{url.port}"):
            return None
        return proxy


def _proxy(scheme: str, text: str) -> URL:
    try:
        proxy = parsed(text if "://" in text else f"http://{text}")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in SCHEMES or not proxy.raw_host or not proxy.port:
        raise ProxyUnusable(
            f"{scheme.upper()}_PROXY names no proxy that is asked by HTTP: write it like http://proxy:3128"
        )
    return proxy

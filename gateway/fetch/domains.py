"""Whose sites may be fetched: lists of domains, allowed and denied. Pure.

A domain stands for itself and all names below it. Names are compared as the wire spells them (IDNA, lower case,
no final dot), addresses as addresses, whatever their spelling. A list is no guard against private addresses, for
a listed name may resolve to one: that is the subject of `addresses`.
"""

from collections.abc import Iterable

from attrs import field, frozen
from yarl import URL

from gateway.fetch.addresses import literal_address


def normalised(domain: str) -> str:
    """`Bücher.Example.` is `xn--bcher-kva.example`. Raises ValueError for what can't be a host."""
    address = literal_address(domain)
    if address is not None:
        return str(address)
    host = URL.build(scheme="http", host=domain.strip().removesuffix(".")).raw_host
    if not host or "." in (host[0], host[-1]) or not host.isascii():
        raise ValueError(f"{domain!r} is not a domain")
    return host


def _normalised_all(domains: Iterable[str]) -> frozenset[str]:
    return frozenset(map(normalised, domains))


@frozen
class DomainPolicy:
    """Denied wins over allowed; nothing listed as allowed means that all are."""

    allowed: frozenset[str] = field(default=(), converter=_normalised_all)
    denied: frozenset[str] = field(default=(), converter=_normalised_all)

    def permits(self, host: str) -> bool:
        try:
            name = normalised(host)
        except ValueError:
            return False
        if _is_listed(name, self.denied):
            return False
        return not self.allowed or _is_listed(name, self.allowed)


def _is_listed(name: str, domains: frozenset[str]) -> bool:
    return any(name == domain or name.endswith("." + domain) for domain in domains)

"""Whose sites may be fetched: lists of domains, allowed and denied. Pure.

A domain stands for itself and all names below it. Names are compared as the wire spells them (IDNA, lower case,
no final dot), addresses as addresses, whatever their spelling. A list is no guard against private addresses, for
a listed name may resolve to one: that is the subject of `addresses`.
"""

import re
from collections.abc import Iterable

from attrs import field, frozen
from yarl import URL

from gateway.fetch.addresses import literal_address

# RFC 1035, section 2.3.4, and the underscores that some names have. What ends in a number is an address or nothing
# (URL Standard, "ends in a number"): no top-level domain is one.
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?!(.*\.)?([0-9]+|0x[0-9a-f]*)\Z)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}", re.ASCII
)


def normalised(domain: str) -> str:
    """`Bücher.Example.` is `xn--bcher-kva.example`. Raises ValueError for what is no domain or address."""
    address = literal_address(domain)
    if address is not None:
        return str(address)
    try:
        name = URL.build(scheme="http", host=domain.removesuffix(".")).raw_host or ""
    except ValueError:
        name = ""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{domain!r} is not a domain")
    return name


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

"""Which URLs may be asked, as far as a URL itself tells. Pure.

Asked before each hop of a download and, under `?strict=true`, before a batch is accepted. What a name resolves
to is checked where the socket is made (`guard`).
"""

from attrs import field, frozen
from yarl import URL

from gateway.fetch.addresses import AddressPolicy
from gateway.fetch.domains import DomainPolicy
from gateway.fetch.settings import FetchSettings
from gateway.fetch.urls import UrlUnreadable, parsed

FORBIDDEN_ADDRESS = "leads to an address that may not be connected to"


@frozen
class FetchPolicy:
    """Addresses, ports and domains in one question."""

    addresses: AddressPolicy = field(factory=AddressPolicy)
    domains: DomainPolicy = field(factory=DomainPolicy)

    @classmethod
    def of(cls, settings: FetchSettings) -> "FetchPolicy":
        return cls(
            AddressPolicy(settings.allowed_networks, settings.allowed_ports),
            DomainPolicy(settings.allowed_domains, settings.denied_domains),
        )

    def forbidden_as_it_stands(self, url: str | URL) -> str | None:
        """Why `url` is forbidden, whatever its name resolves to: the rest of the sentence that begins with it.

        None when only the look-up can tell, and for a URL that can't be read.
        """
        try:
            asked = url if isinstance(url, URL) else parsed(url)
        except UrlUnreadable:
            return None
        host, port = asked.raw_host, asked.port
        if host is None or port is None:
            return None
        if not self.addresses.permits_host(host):
            return FORBIDDEN_ADDRESS
        if port not in self.addresses.allowed_ports:
            return f"asks for port {port}, which may not be connected to"
        if not self.domains.permits(host):
            return "leads to a domain that is not allowed"
        return None

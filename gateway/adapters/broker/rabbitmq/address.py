"""Where the broker is, and as whom we log in: what the settings say, in the form that aiormq reads."""

import math
from urllib.parse import quote

from attrs import field, frozen
from yarl import URL

from gateway.adapters.broker.settings import BrokerSettings

_PORTS = {"amqp": 5672, "amqps": 5671}


@frozen
class Address:
    """One broker. Only `url` holds the password; `str()` is for people."""

    url: URL = field(repr=False)
    host: str
    port: int
    vhost: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}, vhost {self.vhost}"

    @property
    def is_tls(self) -> bool:
        return self.url.scheme == "amqps"

    def url_as(self, name: str) -> URL:
        """The URL of a connection that the broker's operators see under this name."""
        return self.url.update_query(name=name)


def address_of(settings: BrokerSettings) -> Address:
    """The vhost of the settings goes before the URL's."""
    url = URL(settings.url)
    host = url.host or "localhost"
    port = url.port or _PORTS[url.scheme]
    if settings.vhost:
        url = url.with_path("/" + quote(settings.vhost, safe=""), encoded=True, keep_query=True)
    url = url.update_query(heartbeat=math.ceil(settings.heartbeat_s))
    return Address(url, host, port, _vhost_in(url))


def _vhost_in(url: URL) -> str:
    """As aiormq reads it."""
    return url.path[1:].replace("%2F", "/") or "/"

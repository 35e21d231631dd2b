"""Settings of the downloads, section `[fetch]`."""

from ipaddress import ip_network

from attrs import Attribute, field, frozen, validators

from gateway.fetch.domains import normalised


def _is_network(_: object, attribute: "Attribute[str]", value: str) -> None:
    try:
        ip_network(value)
    except ValueError:
        raise ValueError(_no_network(value)) from None


def _no_network(value: str) -> str:
    try:
        around = ip_network(value, strict=False)
    except ValueError:
        return f"{value!r} is not a network; write it like 192.168.1.0/24"
    return f"{value!r} is an address within a network; did you mean {around}?"


def _is_domain(_: object, attribute: "Attribute[str]", value: str) -> None:
    normalised(value)


def _is_media_type(_: object, attribute: "Attribute[str]", value: str) -> None:
    if value.count("/") != 1 or value != value.strip().lower():
        raise ValueError(f"{value!r} is not a media type in lower case")


@frozen
class FetchSettings:
    """Where downloads may go, how long they may take, and how many run at once."""

    allowed_networks: tuple[str, ...] = field(default=(), validator=validators.deep_iterable(_is_network))
    """Networks (CIDR) that may be connected to although they are private."""
    allowed_ports: tuple[int, ...] = field(
        default=(80, 443),
        validator=validators.deep_iterable(validators.and_(validators.ge(1), validators.le(65535))),
    )
    allowed_domains: tuple[str, ...] = field(default=(), validator=validators.deep_iterable(_is_domain))
    """If any is given, no other domain is asked; subdomains are included."""
    denied_domains: tuple[str, ...] = field(default=(), validator=validators.deep_iterable(_is_domain))
    connect_timeout_s: float = field(default=5.0, validator=validators.gt(0.0))
    """Look-up, TCP and TLS together."""
    read_timeout_s: float = field(default=10.0, validator=validators.gt(0.0))
    """How long the other side may be silent."""
    total_timeout_s: float = field(default=30.0, validator=validators.gt(0.0))
    """All waiting for the other side in one download, redirects included."""
    max_redirects: int = field(default=5, validator=validators.ge(0))
    extra_content_types: tuple[str, ...] = field(
        default=(), validator=validators.deep_iterable(_is_media_type)
    )
    """Taken besides image/*, such as binary/octet-stream."""
    tries: int = field(default=3, validator=validators.ge(1))
    concurrency: int = field(default=8, validator=validators.ge(1))
    per_host: int = field(default=4, validator=validators.ge(1))
    """Of these, from one host: the one in the URL that was sent."""
    proxy_from_environment: bool = False
    """Ask by the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name: addresses are theirs to check then."""
    user_agent: str = field(default="batch-gateway", validator=validators.matches_re(r"[\x20-\x7e]+"))

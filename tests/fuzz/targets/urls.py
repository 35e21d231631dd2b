"""URLs and hosts as strangers write them: nothing but its own errors is raised, what may be asked is harmless, and no
spelling of an address that the system's resolver takes gets past the guard."""

import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from yarl import URL

from gateway.fetch.addresses import AddressPolicy, IPAddress, literal_address
from gateway.fetch.failures import masked
from gateway.fetch.policy import FetchPolicy
from gateway.fetch.urls import UrlRefused, UrlUnreadable, next_hop, readable

WORDS: Final = (
    b"http://", b"https://", b"HTTP:", b"ftp://", b"file:///", b"//", b"/\\", b"@", b":80", b":443", b":0",
    b"?", b"#", b"%", b"127.0.0.1", b"127.1", b"0x7f.1", b"0177.0.0.1", b"2130706433", b"localhost",
    b"169.254.169.254", b"[::1]", b"[::ffff:10.0.0.1]", b"%31", b"%2e", b"%00", b"\xe3\x80\x82",
    b"\xef\xbc\x91", b"\xe2\x91\xa0", b"xn--", b"example.com", b"..", b"[fe80::1%25eth0]",
)  # fmt: skip
POLICY: Final = FetchPolicy()
ADDRESSES: Final = AddressPolicy()
HOPS: Final = (URL("http://example.com/a/b?c"), URL("https://example.com:8443/"))


def check(data: bytes) -> None:
    """As a text of JSON holds it, and as a header."""
    for text in {data.decode(errors="replace"), data.decode(errors="surrogateescape")}:
        masked(text)
        POLICY.forbidden_as_it_stands(text)
        with suppress(UrlRefused, UrlUnreadable):
            check_asked(readable(text))
        for hop in HOPS:
            with suppress(UrlRefused, UrlUnreadable):
                target = next_hop(hop, text)
                check_asked(target)
                assert (hop.scheme, target.scheme) != ("https", "http")
        check_host(text)


def check_asked(url: URL) -> None:
    """No secrets go out, and an address that may not be connected to is told."""
    assert url.scheme in ("http", "https")
    assert (url.user, url.password, url.fragment) == (None, None, "")
    assert url.raw_host
    if (address := resolved(url.raw_host)) is not None and not is_public(address):
        assert POLICY.forbidden_as_it_stands(url) is not None


def is_public(address: IPAddress) -> bool:
    """To us, who are stricter, and to the standard module."""
    return ADDRESSES.permits_address(address) and address.is_global


def check_host(host: str) -> None:
    """Without a percent sign, which begins a zone to glibc and an encoded character to us: none such is asked."""
    literal = literal_address(host)
    assert "%" in host or resolved(host) in (None, literal)


def resolved(host: str) -> IPAddress | None:
    """The address that `host` spells to the system; None for a name, and for glibc's name of no host at all."""
    if host == "*" or not host.isprintable() or not host.isascii() or " " in host:
        return None
    try:
        answers = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        return None
    return ip_address(str(answers[0][4][0]).partition("%")[0])

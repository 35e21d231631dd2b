"""Who may be connected to: addresses and ports. Pure.

The attack (server-side request forgery, CWE-918): a client hands us a URL and lets us connect where it can't: to
this machine, to neighbours behind the firewall, to a cloud's metadata service at 169.254.169.254. It hides the
target in odd spellings (`http://2130706433/`, `http://0x7f.1/`), in IPv6 forms that carry an IPv4 address, in
redirects, and in names that resolve to it (rebinding: to something else when asked before).

The promise: `AddressPolicy.permits` says yes only to addresses of the public Internet, and to networks that the
operator allows. It is asked about the address that a socket is about to connect to, so no spelling, name or
redirect gets around it; `literal_address` reads odd spellings for those who want to say no earlier.

IPv6 addresses that carry an IPv4 address (`carried`) are not public, whatever they carry. Where the operator allows
their network, what they carry must be permitted as well: behind NAT64, with 64:ff9b::/96 allowed, 64:ff9b::10.0.0.1
is permitted only if 10.0.0.1 is.

Never public, by the registries of special-purpose addresses (RFC 6890):

    IPv4  0.0.0.0/8 this host (RFC 1122), 10/8, 172.16/12, 192.168/16 private (RFC 1918), 100.64/10 carrier NAT
          (RFC 6598), 127/8 loopback (RFC 1122), 169.254/16 link-local (RFC 3927), 192.0.0/24 protocols
          (RFC 6890), 192.0.2/24, 198.51.100/24, 203.0.113/24 examples (RFC 5737), 192.88.99/24 6to4 relays
          (RFC 7526), 198.18/15 benchmarks (RFC 2544), 224/4 multicast (RFC 5771), 240/4 reserved (RFC 1112);
          and 168.63.129.16, by which Azure gives its machines their secrets, though it looks like any other
    IPv6  all but 2000::/3, the only global unicast there is (RFC 4291): so ::1, ::, ::a.b.c.d, fc00::/7
          (RFC 4193), fe80::/10, fec0::/10 (RFC 3879), ff00::/8, 100::/64 (RFC 6666), 64:ff9b::/96 and
          64:ff9b:1::/48 NAT64 (RFC 6052, RFC 8215); and within it 2001::/23 protocols with Teredo (RFC 4380),
          2001:db8::/32 and 3fff::/20 examples (RFC 3849, RFC 9637), 2002::/16 6to4 (RFC 3056), and ISATAP
          (RFC 5214) below any prefix

Domains are the subject of `domains`, sockets of `guard`.
"""

import re
import unicodedata
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

from attrs import field, frozen

from gateway.fetch.carried import carried_addresses

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_NOT_PUBLIC_V4 = tuple(
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
)
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


def _networks(values: Iterable[str | IPNetwork]) -> tuple[IPNetwork, ...]:
    return tuple(ip_network(value) for value in values)


def _ports(values: Iterable[int]) -> frozenset[int]:
    return frozenset(values)


@frozen
class AddressPolicy:
    """The public Internet on `allowed_ports`, and `allowed_networks` (CIDR) although they are not public."""

    allowed_networks: tuple[IPNetwork, ...] = field(default=(), converter=_networks)
    allowed_ports: frozenset[int] = field(default=(80, 443), converter=_ports)

    def permits(self, ip: IPAddress, port: int) -> bool:
        return port in self.allowed_ports and self.permits_address(ip)

    def permits_address(self, ip: IPAddress) -> bool:
        carried = carried_addresses(ip) if isinstance(ip, IPv6Address) else ()
        if carried:
            return self._allows(ip) and all(map(self.permits_address, carried))
        return _is_public(ip) or self._allows(ip)

    def permits_host(self, host: str) -> bool:
        """Whether `host`, as it stands, is no forbidden address, in any spelling, and no name for this machine.

        Every other name is permitted: what it resolves to isn't known here.
        """
        if _is_this_machine(host):
            return any(self.permits_address(address) for address in _LOOPBACK)
        address = literal_address(host)
        return address is None or self.permits_address(address)

    def _allows(self, ip: IPAddress) -> bool:
        return any(ip in network for network in self.allowed_networks)


def literal_address(host: str) -> IPAddress | None:
    """The address that `host` spells, in any form that some resolver takes; None for a name.

    Takes what inet_aton takes (`127.1`, `0177.0.0.1`, `0x7f000001`, `2130706433`), IPv6 with or without
    brackets and zone, and all of it with a final dot, percent-encoded or in letters that IDNA maps to ASCII.
    """
    plain = _folded(host)
    if ":" in plain:
        return _ipv6(plain.removeprefix("[").removesuffix("]").partition("%")[0])
    return _inet_aton(plain)


def _is_public(ip: IPAddress) -> bool:
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_V4)
    return ip in _GLOBAL_UNICAST_V6 and not any(ip in network for network in _NOT_PUBLIC_V6)


def _is_this_machine(host: str) -> bool:
    """RFC 6761, section 6.3: `localhost` and every name below it."""
    name = _folded(host)
    return name == "localhost" or name.endswith(".localhost")


def _folded(host: str) -> str:
    folded = unicodedata.normalize("NFKC", unquote(host)).replace("\u3002", ".")
    return folded.lower().removesuffix(".")


def _ipv6(text: str) -> IPAddress | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _inet_aton(text: str) -> IPv4Address | None:
    """One to four numbers; the last one fills the bytes that are left (inet(3))."""
    numbers = [_number(part) for part in text.split(".", 4)]
    *head, tail = numbers
    if len(numbers) > 4 or tail is None or tail >= 256 ** (4 - len(head)):
        return None
    value = tail
    for place, byte in enumerate(head):
        if byte is None or byte > 255:
            return None
        value |= byte << (24 - 8 * place)
    return IPv4Address(value)


def _number(text: str) -> int | None:
    """Hexadecimal, octal or decimal as in C; ASCII digits alone."""
    if re.fullmatch("0x[0-9a-f]*", text):
        return int(text[2:] or "0", 16)
    if re.fullmatch("0[0-7]*", text):
        return int(text, 8)
    if re.fullmatch("[1-9][0-9]{0,9}", text):
        return int(text)
    return None

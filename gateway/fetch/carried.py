"""IPv4 addresses that lie within IPv6 addresses, by all the forms that some host or router unwraps. Pure.

A packet to such an address may end at the IPv4 address in it: on this very machine (IPv4-mapped), at a relay (6to4,
Teredo, ISATAP) or at a translator (NAT64), which may well stand where private addresses can be reached.

    ::a.b.c.d               IPv4-compatible (RFC 4291, section 2.5.5.1), but for `::` and `::1`
    ::ffff:a.b.c.d          IPv4-mapped (RFC 4291, section 2.5.5.2)
    ::ffff:0:a.b.c.d        IPv4-translated (RFC 2765)
    64:ff9b::a.b.c.d        NAT64 (RFC 6052)
    64:ff9b:1:...:a.b.c.d   NAT64 of a site (RFC 8215), by a prefix of 96 bits; by one of 64 where it may be one
    2002:ab:cd::            6to4 (RFC 3056)
    2001:0:ab:cd:...        Teredo (RFC 4380): its server, and behind it its client, inverted
    ...:0:5efe:a.b.c.d      ISATAP (RFC 5214), below any prefix; with `200:5efe` likewise

A NAT64 with a prefix of a provider's own looks like any other public address: nothing here can know it.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network

_LAST_32_BITS = tuple(
    IPv6Network(block) for block in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
_SITE_NAT64 = IPv6Network("64:ff9b:1::/48")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_PLAIN = (IPv6Address("::"), IPv6Address("::1"))
_ISATAP = (bytes.fromhex("00005efe"), bytes.fromhex("02005efe"))


def carried_addresses(ip: IPv6Address) -> tuple[IPv4Address, ...]:
    """Each IPv4 address that `ip` may lead to; none for one that carries none."""
    return () if ip in _PLAIN else tuple(map(IPv4Address, _carried(ip, ip.packed)))


def _carried(ip: IPv6Address, packed: bytes) -> Iterator[bytes]:
    if any(ip in network for network in _LAST_32_BITS):
        yield packed[12:]
    elif ip in _SITE_NAT64:
        yield packed[12:]
        if packed[13:] == bytes(3):  # as behind a prefix of 64 bits or fewer
            yield packed[9:13]
    elif ip in _6TO4:
        yield packed[2:6]
    elif ip in _TEREDO:
        yield packed[4:8]
        yield bytes(byte ^ 0xFF for byte in packed[12:])
    if packed[8:12] in _ISATAP:
        yield packed[12:]

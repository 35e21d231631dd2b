"""IPv4 addresses within IPv6 addresses: what is carried, and that it is judged where its form is allowed."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fetch.addresses import AddressPolicy
from gateway.fetch.carried import carried_addresses

# Forms of 10.1.2.3 (or of two addresses), and the network by which an operator allows the form.
CARRIED = [
    ("IPv4-compatible", "::10.1.2.3", "::/96", ["10.1.2.3"]),
    ("IPv4-mapped", "::ffff:10.1.2.3", "::ffff:0:0/96", ["10.1.2.3"]),
    ("IPv4-translated", "::ffff:0:10.1.2.3", "::ffff:0:0:0/96", ["10.1.2.3"]),
    ("NAT64", "64:ff9b::10.1.2.3", "64:ff9b::/96", ["10.1.2.3"]),
    ("NAT64 of a site", "64:ff9b:1:fffe::10.1.2.3", "64:ff9b:1:fffe::/96", ["10.1.2.3"]),
    ("NAT64 of a site, 64 bits", "64:ff9b:1::a:102:300:0", "64:ff9b:1::/48", ["3.0.0.0", "10.1.2.3"]),
    ("6to4", "2002:a01:203::1", "2002::/16", ["10.1.2.3"]),
    ("Teredo, server", "2001:0:a01:203::f7f7:f7f7", "2001::/32", ["10.1.2.3", "8.8.8.8"]),
    ("Teredo, client", "2001:0:808:808::f5fe:fdfc", "2001::/32", ["8.8.8.8", "10.1.2.3"]),
    ("ISATAP", "2606:4700::5efe:10.1.2.3", "2606:4700::/64", ["10.1.2.3"]),
    ("ISATAP, global", "fd00::200:5efe:10.1.2.3", "fd00::/64", ["10.1.2.3"]),
]  # fmt: skip
FORMS = pytest.mark.parametrize(
    ("ip", "network", "carried"), [row[1:] for row in CARRIED], ids=[row[0] for row in CARRIED]
)


@FORMS
def test_an_address_that_is_carried_is_read(ip: str, network: str, carried: list[str]) -> None:
    assert IPv6Address(ip) in IPv6Network(network)
    assert carried_addresses(IPv6Address(ip)) == tuple(map(IPv4Address, carried))


@FORMS
def test_a_form_that_carries_one_is_forbidden_although_the_carried_one_is_allowed(
    ip: str, network: str, carried: list[str]
) -> None:
    assert not AddressPolicy(["10.0.0.0/8"]).permits_address(ip_address(ip))


@FORMS
def test_where_the_form_is_allowed_a_private_one_within_it_is_not(
    ip: str, network: str, carried: list[str]
) -> None:
    assert not AddressPolicy([network]).permits_address(ip_address(ip))


@FORMS
def test_where_both_are_allowed_it_is_permitted(ip: str, network: str, carried: list[str]) -> None:
    assert AddressPolicy([network, "10.0.0.0/8"]).permits_address(ip_address(ip))


def test_a_public_address_behind_an_allowed_nat64_is_permitted() -> None:
    assert AddressPolicy(["64:ff9b::/96"]).permits_address(ip_address("64:ff9b::8.8.8.8"))


@given(st.ip_addresses(v=4))
def test_behind_an_allowed_nat64_an_address_is_judged_as_it_is_without_one(ip: IPv4Address) -> None:
    carrying = IPv6Address(int(IPv6Address("64:ff9b::")) + int(ip))
    assert AddressPolicy(["64:ff9b::/96"]).permits_address(carrying) == AddressPolicy().permits_address(ip)


@pytest.mark.parametrize("ip", ["::", "::1", "2606:4700::1111", "fd00::1", "fe80::1", "2001:200::1"])
def test_other_addresses_carry_none(ip: str) -> None:
    assert carried_addresses(IPv6Address(ip)) == ()

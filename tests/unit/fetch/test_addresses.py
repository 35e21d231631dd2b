"""Hostile input as tables: what is forbidden, what is public, and every odd way to spell an address."""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fetch.addresses import AddressPolicy, literal_address

POLICY = AddressPolicy()

FORBIDDEN = [
    # IPv4
    "0.0.0.0", "0.1.2.3", "0.255.255.255",
    "10.0.0.0", "10.0.0.1", "10.255.255.255",
    "100.64.0.0", "100.100.100.200", "100.127.255.255",
    "127.0.0.0", "127.0.0.1", "127.0.0.53", "127.1.2.3", "127.255.255.255",
    "168.63.129.16",
    "169.254.0.1", "169.254.169.254", "169.254.170.2", "169.254.255.255",
    "172.16.0.1", "172.20.10.5", "172.31.255.255",
    "192.0.0.1", "192.0.0.8", "192.0.0.170", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.0.1", "192.168.255.255",
    "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7",
    "224.0.0.1", "224.0.0.251", "239.255.255.250", "240.0.0.1", "255.255.255.254", "255.255.255.255",
    # IPv6
    "::", "::1", "::2", "::7f00:1", "::127.0.0.1", "::10.0.0.1", "::8.8.8.8",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:7f00:1",
    "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8",
    "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::224.0.0.1",
    "64:ff9b::100.64.0.1", "64:ff9b:0:0:1::8.8.8.8", "64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff::1",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::5efe:8.8.8.8", "2606:4700::200:5efe:7f00:1",
    "100::1", "100:0:0:1::1",
    "2001::1", "2001:0:53aa:64c:0:7a3f:f5ff:fffe", "2001:0:ffff:ffff::80ff:fffe", "2001:1::1", "2001:2::1",
    "2001:10::1", "2001:20::1", "2001:1ff::1", "2001:db8::1", "2001:db8:ffff::1",
    "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2002:808:808::1",
    "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "8000::1",
    "fc00::1", "fd00::1", "fd00:ec2::254", "fdff:ffff::1",
    "fe80::1", "fe80::1%eth0", "fe80::a9fe:a9fe", "febf::1", "fec0::1", "feff::1",
    "ff00::1", "ff02::1", "ff02::fb", "ff05::2", "ff0e::1",
]  # fmt: skip

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.215.14", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255",
    "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "203.0.112.255", "203.0.114.0",
    "223.255.255.255",
    "2000::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7::1", "2001:db9::1", "2003::1", "2606:4700::1111",
    "3ffe:ffff::1", "3fff:1000::1", "2606:4700::5eff:8.8.8.8", "2606:4700::100:5efe:8.8.8.8",
]  # fmt: skip

FORBIDDEN_V4 = [
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
    )
]

# Spelled so that a filter of text doesn't see it, and what it means.
SPELLINGS = [
    ("127.0.0.1", "127.0.0.1"),
    ("127.1", "127.0.0.1"),
    ("127.0.1", "127.0.0.1"),
    ("127.65530", "127.0.255.250"),
    ("2130706433", "127.0.0.1"),
    ("0x7f000001", "127.0.0.1"),
    ("0X7F000001", "127.0.0.1"),
    ("0x7f.0x0.0x0.0x1", "127.0.0.1"),
    ("0x7f.1", "127.0.0.1"),
    ("0x7f.0.0.0x1", "127.0.0.1"),
    ("0x0000000000000000007f.1", "127.0.0.1"),
    ("0177.0.0.1", "127.0.0.1"),
    ("0177.0.0.01", "127.0.0.1"),
    ("00000177.00.00.001", "127.0.0.1"),
    ("017700000001", "127.0.0.1"),
    ("0177.1", "127.0.0.1"),
    ("0x7f.01", "127.0.0.1"),
    ("127.0x1", "127.0.0.1"),
    ("0", "0.0.0.0"),
    ("0.0", "0.0.0.0"),
    ("0x", "0.0.0.0"),
    ("0x0", "0.0.0.0"),
    ("000", "0.0.0.0"),
    ("4294967295", "255.255.255.255"),
    ("0xffffffff", "255.255.255.255"),
    ("2852039166", "169.254.169.254"),
    ("0xa9fea9fe", "169.254.169.254"),
    ("0251.0376.0251.0376", "169.254.169.254"),
    ("169.254.43518", "169.254.169.254"),
    ("169.16689662", "169.254.169.254"),
    ("012.1", "10.0.0.1"),
    ("10.1", "10.0.0.1"),
    ("192.168.257", "192.168.1.1"),
    ("3232235777", "192.168.1.1"),
    ("127.0.0.1.", "127.0.0.1"),
    ("0x7f.1.", "127.0.0.1"),
    ("127.0.0.%31", "127.0.0.1"),
    ("%31%32%37%2e0%2E0.1", "127.0.0.1"),
    ("127\u30020\u30020\u30021", "127.0.0.1"),
    ("127\uff0e0\uff0e0\uff0e1", "127.0.0.1"),
    ("127\uff610\uff610\uff611", "127.0.0.1"),
    ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
    ("\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "127.0.0.1"),
    ("\U0001d7cf\U0001d7d0\U0001d7d5.1", "127.0.0.1"),
    ("0\uff58\uff17\uff46.1", "127.0.0.1"),
    ("::1", "::1"),
    ("[::1]", "::1"),
    ("[::1].", "::1"),
    ("0:0:0:0:0:0:0:1", "::1"),
    ("0000:0000:0000:0000:0000:0000:0000:0001", "::1"),
    ("[0::0:1]", "::1"),
    ("::", "::"),
    ("::FFFF:127.0.0.1", "::ffff:127.0.0.1"),
    ("[::ffff:7F00:0001]", "::ffff:127.0.0.1"),
    ("0:0:0:0:0:ffff:7f00:1", "::ffff:127.0.0.1"),
    ("::127.0.0.1", "::7f00:1"),
    ("[fe80::1%eth0]", "fe80::1"),
    ("fe80::1%25eth0", "fe80::1"),
    ("[FE80::1%251]", "fe80::1"),
    ("::1%lo", "::1"),
    ("[64:ff9b::7f00:1]", "64:ff9b::7f00:1"),
]

NAMES = [
    "example.com", "127.0.0.1.example.com", "127.0.0.1.nip.io", "a.127", "127.0.0.1a", "1.2.3.4.5",
    "256.0.0.1", "127.256.1", "127.0.65536", "1.16777216", "4294967296", "0x100000000", "040000000000",
    "99999999999999999999", "08.0.0.1", "0x7g.1", "0b1111", "-1", "+1", "1e3", "1_0.0.0.1", " 127.0.0.1 x",
    "127..1", ".127.0.0.1", "127.0.0.1..", "", ".", "::g", ":::", "1:2", "\u0661\u0662\u0667.0.0.x",
    "dead.beef", "0x7f.x", "localhost",
]  # fmt: skip


@st.composite
def spellings(draw: st.DrawFn, ip: IPv4Address) -> str:
    """Of one to four numbers, each in one of C's bases and with zeros before it."""
    octets = list(ip.packed)
    heads = draw(st.integers(0, 3))
    numbers = [*octets[:heads], int.from_bytes(octets[heads:])]
    return ".".join(draw(st.sampled_from(_in_all_bases(number))) for number in numbers)


def _in_all_bases(number: int) -> list[str]:
    return [
        f"{number}",
        f"{number:#x}",
        f"0X{number:X}",
        f"0x000{number:x}",
        f"0{number:o}",
        f"000{number:o}",
    ]


@pytest.mark.parametrize("ip", FORBIDDEN)
def test_an_address_that_is_not_public_is_forbidden(ip: str) -> None:
    assert not POLICY.permits(ip_address(ip), 443)


@pytest.mark.parametrize("ip", PUBLIC)
def test_a_public_address_is_permitted(ip: str) -> None:
    assert POLICY.permits(ip_address(ip), 443)


@pytest.mark.parametrize(("host", "ip"), SPELLINGS)
def test_an_address_is_read_in_any_spelling(host: str, ip: str) -> None:
    assert literal_address(host) == ip_address(ip)


@pytest.mark.parametrize("host", [host for host, _ in SPELLINGS])
def test_a_forbidden_address_is_a_forbidden_host_in_any_spelling(host: str) -> None:
    assert not POLICY.permits_host(host)


@pytest.mark.parametrize("host", NAMES)
def test_what_is_no_address_is_a_name(host: str) -> None:
    assert literal_address(host) is None


@pytest.mark.parametrize(
    "host", ["010.8.8.8", "134744072", "0x08080808", "[2001:4860:4860::8888]", "8.8.8.8."]
)
def test_a_public_address_is_a_permitted_host_in_any_spelling(host: str) -> None:
    assert POLICY.permits_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "a.b.localhost.",
        "\u24dbocalhost",
        "local%68ost",
    ],
)
def test_a_name_of_this_machine_is_forbidden(host: str) -> None:
    assert not POLICY.permits_host(host)


@pytest.mark.parametrize("host", ["notlocalhost", "localhost.example.com", "example.com"])
def test_another_name_is_permitted_until_it_is_looked_up(host: str) -> None:
    assert POLICY.permits_host(host)


def test_a_name_of_this_machine_is_permitted_where_its_address_is() -> None:
    assert AddressPolicy(["127.0.0.0/8"]).permits_host("localhost")
    assert AddressPolicy(["::1/128"]).permits_host("localhost")
    assert not AddressPolicy(["127.0.0.2/32"]).permits_host("localhost")


@pytest.mark.parametrize("ip", ["127.0.0.2", "fd00::1"])
def test_an_allowed_network_is_permitted_although_it_is_private(ip: str) -> None:
    assert AddressPolicy(["127.0.0.2/32", "fd00::/8"]).permits(ip_address(ip), 80)


@pytest.mark.parametrize(
    "ip",
    [
        *("127.0.0.1", "127.0.0.3", "::1", "fc00::1"),
        *("::ffff:127.0.0.2", "64:ff9b::127.0.0.2", "::127.0.0.2", "2002:7f00:2::1"),
    ],
)
def test_an_allowed_network_allows_nothing_beside_it(ip: str) -> None:
    assert not AddressPolicy(["127.0.0.2/32", "fd00::/8"]).permits(ip_address(ip), 80)


@pytest.mark.parametrize("port", [0, 22, 81, 8080, 6379, 65535])
def test_another_port_is_forbidden(port: int) -> None:
    assert not POLICY.permits(IPv4Address("8.8.8.8"), port)


def test_ports_bind_allowed_networks_too() -> None:
    policy = AddressPolicy(["10.0.0.0/8"], [9000])
    assert policy.permits(IPv4Address("10.0.0.1"), 9000)
    assert not policy.permits(IPv4Address("10.0.0.1"), 80)


def test_a_wrong_network_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        AddressPolicy(["10.0.0.1/8"])


@given(st.ip_addresses(v=4))
def test_whatever_the_registries_call_not_global_is_forbidden(ip: IPv4Address) -> None:
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        assert not POLICY.permits_address(ip)


@given(st.ip_addresses(v=6))
def test_whatever_ipv6_calls_not_global_is_forbidden(ip: IPv6Address) -> None:
    if not ip.is_global or ip.is_multicast or ip.is_site_local:
        assert not POLICY.permits_address(ip)


@given(st.sampled_from(FORBIDDEN_V4).flatmap(lambda network: st.ip_addresses(network=network)), st.data())
def test_an_address_of_a_forbidden_network_is_refused_however_it_is_spelled(
    ip: IPv4Address, data: st.DataObject
) -> None:
    spelled = data.draw(spellings(ip))
    assert literal_address(spelled) == IPv4Address(socket.inet_aton(spelled)) == ip
    assert not POLICY.permits_host(spelled)


@given(st.text(alphabet="0123456789abcdefxABCDEFX.", max_size=20))
def test_what_inet_aton_takes_is_read_as_inet_aton_reads_it(host: str) -> None:
    """But for a final dot, with which it is an address to some and a name to others."""
    try:
        expected = IPv4Address(socket.inet_aton(host))
    except OSError:
        return
    assert literal_address(host) == expected


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_is_read(ip: IPv6Address) -> None:
    assert literal_address(f"[{ip.exploded}]") == literal_address(str(ip)) == ip


@given(st.text())
def test_no_text_breaks_the_reading(host: str) -> None:
    literal_address(host)

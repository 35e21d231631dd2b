"""Hostile URLs as a table: each by the trick that it tries, with a name, and the code of the error that it must end in.

127.0.0.2 is a site that may be downloaded from, 127.0.0.1 and ::1 are what must not be connected to, all on the same
port, which stands as `{port}`. Names end in .test and are in NAMES. Nothing here leads anywhere beyond this machine:
other addresses are refused before a socket is made for them.

    literal     addresses of this machine, spelled so that a filter of text doesn't see it
    network     other addresses that are not public
    ipv6        IPv6 addresses of this machine, and forms that carry an IPv4 address
    parser      URLs that two parsers read differently
    scheme      what is not http
    port        ports that are not allowed, and none
    name        names that resolve to what is forbidden
    rebinding   names that resolved to what is allowed when asked before
    redirect    an allowed site leads on to all that
    answer      the allowed site itself: what it says and how (tests/servers/hostile_site.py)
"""

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from tests.servers.hostile_site import ANSWERS
from tests.servers.names import Alias, InTurn, Known

SITE: Final = "127.0.0.2"
REFUSED, FAILED = "download_refused", "download_failed"


@frozen
class Hostile:
    """`location` is where the page at `url` redirects to. The port is filled in by `on`."""

    trick: str
    name: str
    url: str
    code: str = REFUSED
    location: str = ""

    def on(self, port: int) -> "Hostile":
        url, location = (text.replace("{port}", str(port)) for text in (self.url, self.location))
        return Hostile(self.trick, self.name, url, self.code, location)


THIS_MACHINE: Final[Mapping[str, str]] = {
    "plain": "127.0.0.1",
    "three parts": "127.0.1",
    "two parts": "127.1",
    "one number": "2130706433",
    "one hexadecimal number": "0x7f000001",
    "one hexadecimal number in capitals": "0X7F000001",
    "hexadecimal with many zeros": "0x000000007f000001",
    "one octal number": "017700000001",
    "one octal number with many zeros": "00000017700000001",
    "octal parts": "0177.0.0.1",
    "all parts octal": "0177.00.00.01",
    "octal with many zeros": "0000177.0.0.1",
    "octal, two parts": "0177.1",
    "hexadecimal parts": "0x7f.0x0.0x0.0x1",
    "hexadecimal, two parts": "0x7f.1",
    "hexadecimal, three parts": "0x7f.0.1",
    "hexadecimal and octal": "0x7f.00.0x0.01",
    "empty hexadecimal parts": "0x7f.0x.0x.1",
    "decimal and hexadecimal": "127.0x000001",
    "another address of it": "127.0.0.3",
    "its last address": "127.255.255.254",
    "its resolver": "127.0.0.53",
    "two parts, large": "127.65530",
    "final dot": "127.0.0.1.",
    "two parts, final dot": "127.1.",
    "hexadecimal, final dot": "0x7f000001.",
    "percent-encoded digit": "127.0.0.%31",
    "percent-encoded digits": "%31%32%37.0.0.1",
    "percent-encoded dots": "127%2E0%2e0%2E1",
    "all percent-encoded": "%31%32%37%2e%30%2e%30%2e%31",
    "percent-encoded hexadecimal": "0%78%37f.1",
    "full-width digits": "\uff11\uff12\uff17.0.0.1",
    "full-width dots": "127\uff0e0\uff0e0\uff0e1",
    "ideographic dots": "127\u30020\u30020\u30021",
    "half-width ideographic dots": "127\uff610\uff610\uff611",
    "circled digits": "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "mathematical digits": "\U0001d7cf\U0001d7d0\U0001d7d5.\U0001d7ce.\U0001d7ce.\U0001d7cf",
    "superscript digits": "\u00b9\u00b2\u2077.0.0.1",
    "full-width hexadecimal": "\uff10\uff58\uff17\uff46\uff0e\uff11",
    "percent-encoded full-width dot": "127%EF%BC%8E0.0.1",
    "localhost": "localhost",
    "localhost in capitals": "LOCALHOST",
    "localhost, final dot": "localhost.",
    "below localhost": "photos.localhost",
    "below localhost, final dot": "a.b.LocalHost.",
    "localhost in circled letters": "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
    "localhost in full-width letters": "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    "localhost with a long s": "localho\u017ft",
    "zero": "0",
    "all zeros": "0.0.0.0",
    "two zeros": "0.0",
    "hexadecimal zero": "0x0",
    "empty hexadecimal": "0x",
    "octal zeros": "000.000.000.000",
    "an address of this network": "0.1.2.3",
}  # fmt: skip

OTHER_NETWORKS: Final[Mapping[str, str]] = {
    "metadata of clouds": "169.254.169.254",
    "metadata, one number": "2852039166",
    "metadata, hexadecimal": "0xa9fea9fe",
    "metadata, octal": "0251.0376.0251.0376",
    "metadata, two parts": "169.16689662",
    "metadata, three parts": "169.254.43518",
    "metadata, final dot": "169.254.169.254.",
    "metadata, hexadecimal parts": "0xa9.0xfe.0xa9.0xfe",
    "metadata of containers": "169.254.170.2",
    "metadata of another cloud": "100.100.100.200",
    "metadata of a third cloud": "192.0.0.192",
    "metadata of a fourth cloud, at a public address": "168.63.129.16",
    "the same, one number": "2822734096",
    "private, 10": "10.0.0.1",
    "private, 10, two parts": "10.1",
    "private, 10, octal": "012.0.0.1",
    "private, 10, one number": "167772161",
    "private, 172": "172.16.0.1",
    "private, 172, last": "172.31.255.255",
    "private, 172, hexadecimal": "0xac100001",
    "private, 192": "192.168.1.1",
    "private, 192, three parts": "192.168.257",
    "private, 192, one number": "3232235777",
    "carrier's NAT": "100.64.0.1",
    "carrier's NAT, last": "100.127.255.254",
    "link-local": "169.254.1.1",
    "multicast": "224.0.0.1",
    "multicast of services": "239.255.255.250",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "broadcast, one number": "4294967295",
    "benchmarks": "198.18.0.1",
    "example": "192.0.2.1",
    "example, two": "198.51.100.1",
    "example, three": "203.0.113.1",
    "protocols": "192.0.0.170",
    "6to4 relay": "192.88.99.1",
}  # fmt: skip

IPV6: Final[Mapping[str, str]] = {
    "loopback": "[::1]",
    "loopback in full": "[0:0:0:0:0:0:0:1]",
    "loopback with all zeros": "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "loopback, other gap": "[0::0:1]",
    "loopback with a zone": "[::1%25lo]",
    "loopback with a bare zone": "[::1%lo]",
    "unspecified": "[::]",
    "IPv4-mapped": "[::ffff:127.0.0.1]",
    "IPv4-mapped, hexadecimal": "[::ffff:7f00:1]",
    "IPv4-mapped in full": "[0:0:0:0:0:ffff:7f00:0001]",
    "IPv4-mapped in capitals": "[::FFFF:7F00:1]",
    "IPv4-mapped with a zone": "[::ffff:127.0.0.1%25lo]",
    "IPv4-mapped zero": "[::ffff:0.0.0.0]",
    "IPv4-mapped metadata": "[::ffff:169.254.169.254]",
    "IPv4-mapped private": "[::ffff:10.0.0.1]",
    "IPv4-mapped allowed": "[::ffff:127.0.0.2]",
    "IPv4-compatible": "[::127.0.0.1]",
    "IPv4-compatible, hexadecimal": "[::7f00:1]",
    "IPv4-translated": "[::ffff:0:127.0.0.1]",
    "NAT64": "[64:ff9b::127.0.0.1]",
    "NAT64, metadata": "[64:ff9b::a9fe:a9fe]",
    "NAT64 of a site": "[64:ff9b:1::127.0.0.1]",
    "NAT64 of a site, 64 bits": "[64:ff9b:1::7f:0:100:0]",
    "6to4": "[2002:7f00:1::1]",
    "6to4, metadata": "[2002:a9fe:a9fe::1]",
    "Teredo, server": "[2001:0:7f00:1::1]",
    "Teredo, client": "[2001:0:808:808::80ff:fffe]",
    "ISATAP": "[2606:4700::5efe:127.0.0.1]",
    "ISATAP, global": "[2606:4700::200:5efe:7f00:1]",
    "link-local": "[fe80::1]",
    "link-local with a zone": "[fe80::1%25eth0]",
    "link-local with a numbered zone": "[fe80::1%251]",
    "site-local": "[fec0::1]",
    "unique local": "[fd00::1]",
    "metadata of clouds": "[fd00:ec2::254]",
    "multicast": "[ff02::1]",
    "multicast of all": "[ff0e::1]",
    "example": "[2001:db8::1]",
    "discard": "[100::1]",
    "not assigned": "[4000::1]",
}  # fmt: skip

# What the first parser takes for the host, the second one takes for something else.
PARSERS: Final[Mapping[str, tuple[str, str]]] = {
    "userinfo that looks like a host": ("http://photos.test@127.0.0.1:{port}/", REFUSED),
    "userinfo with a port": ("http://photos.test:80@127.0.0.1:{port}/", REFUSED),
    "userinfo of an allowed address": ("http://127.0.0.2:{port}@127.0.0.1:{port}/", REFUSED),
    "two at signs": ("http://a@127.0.0.2@127.0.0.1:{port}/", REFUSED),
    "percent-encoded at sign": ("http://127.0.0.2%40127.0.0.1:{port}/", FAILED),
    "percent-encoded at sign in userinfo": ("http://photos.test%40x@127.0.0.1:{port}/", REFUSED),
    "empty userinfo": ("http://@127.0.0.1:{port}/", REFUSED),
    "empty password": ("http://:@127.0.0.1:{port}/", REFUSED),
    "fragment before an at sign": ("http://127.0.0.1:{port}#@photos.test/", REFUSED),
    "query before an at sign": ("http://127.0.0.1:{port}?@photos.test/", REFUSED),
    "path before an at sign": ("http://127.0.0.1:{port}/@photos.test/", REFUSED),
    "backslash before an at sign": ("http://127.0.0.1:{port}\\@photos.test/", FAILED),
    "backslash after a host": ("http://photos.test\\@127.0.0.1:{port}/", FAILED),
    "backslashes for slashes": ("http:\\\\127.0.0.1:{port}\\a", FAILED),
    "slash and backslash": ("http:/\\127.0.0.1:{port}/", FAILED),
    "one slash": ("http:/127.0.0.1:{port}/", FAILED),
    "three slashes": ("http:///127.0.0.1:{port}/", FAILED),
    "no slash": ("http:127.0.0.1:{port}", FAILED),
    "no scheme": ("//127.0.0.1:{port}/", REFUSED),
    "tab in the host": ("http://127.0.0\t.1:{port}/", REFUSED),
    "line break in the host": ("http://127.0.0.\n1:{port}/", REFUSED),
    "carriage return in the scheme": ("ht\rtp://127.0.0.1:{port}/", REFUSED),
    "blank before it": (" http://127.0.0.1:{port}/", REFUSED),
    "blank in the host": ("http://127.0.0.1 photos.test:{port}/", FAILED),
    "NUL in the host": ("http://127.0.0.1\0.photos.test:{port}/", FAILED),
    "percent-encoded NUL": ("http://127.0.0.1%00.photos.test:{port}/", FAILED),
    "percent-encoded line break": ("http://127.0.0.1%0d%0aHost:photos.test:{port}/", FAILED),
    "percent-encoded slash": ("http://127.0.0.1%2f.photos.test:{port}/", FAILED),
    "percent-encoded hash": ("http://127.0.0.1%23.photos.test:{port}/", FAILED),
    "percent-encoded localhost": ("http://local%68ost:{port}/", FAILED),
    "percent-encoded name": ("http://loop%62ack.test:{port}/", FAILED),
    "percent-encoded twice": ("http://%25%33%31%32%37.0.0.1:{port}/", FAILED),
    "full-width slash": ("http://127.0.0.1\uff0fphotos.test:{port}/", FAILED),
    "full-width at sign": ("http://photos.test\uff20127.0.0.1:{port}/", FAILED),
    "full-width hash": ("http://127.0.0.1\uff03photos.test:{port}/", FAILED),
    "brackets round an IPv4 address": ("http://[127.0.0.1]:{port}/", FAILED),
    "brackets round a name": ("http://[localhost]:{port}/", FAILED),
    "open bracket": ("http://[::1:{port}/", FAILED),
    "text behind a bracket": ("http://[::1]photos.test:{port}/", FAILED),
    "future address": ("http://[v1.127.0.0.1]:{port}/", FAILED),
    "IPv6 without brackets": ("http://::1:{port}/", FAILED),
    "empty labels": ("http://127..0.0.1:{port}/", FAILED),
    "two final dots": ("http://127.0.0.1..:{port}/", FAILED),
    "capital scheme": ("HTTP://127.0.0.1:{port}/", REFUSED),
    "comma": ("http://127.0.0.2,127.0.0.1:{port}/", FAILED),
    "semicolon": ("http://127.0.0.2;127.0.0.1:{port}/", FAILED),
}  # fmt: skip

SCHEMES: Final[Mapping[str, tuple[str, str]]] = {
    "file": ("file:///etc/passwd", REFUSED),
    "file with a host": ("file://127.0.0.1/etc/passwd", REFUSED),
    "file in capitals": ("FILE:///etc/passwd", REFUSED),
    "gopher": ("gopher://127.0.0.1:{port}/_GET%20/", REFUSED),
    "ftp": ("ftp://127.0.0.1:{port}/a.png", REFUSED),
    "dict": ("dict://127.0.0.1:{port}/info", REFUSED),
    "ldap": ("ldap://127.0.0.1:{port}/", REFUSED),
    "tftp": ("tftp://127.0.0.1:{port}/a", REFUSED),
    "ssh": ("ssh://127.0.0.1:{port}/", REFUSED),
    "websocket": ("ws://127.0.0.1:{port}/", REFUSED),
    "data": ("data:image/png;base64,iVBORw0KGgo=", REFUSED),
    "javascript": ("javascript:alert(1)", REFUSED),
    "jar": ("jar:http://127.0.0.1:{port}/a.jar!/a.png", REFUSED),
    "view-source": ("view-source:http://127.0.0.1:{port}/", REFUSED),
    "http over a Unix socket": ("http+unix://%2Fvar%2Frun%2Fdocker.sock/info", REFUSED),
    "a path": ("/etc/passwd", REFUSED),
    "nothing": ("", REFUSED),
}  # fmt: skip

PORTS: Final[Mapping[str, tuple[str, str]]] = {
    "ssh": ("http://127.0.0.2:22/", REFUSED),
    "smtp": ("http://127.0.0.2:25/", REFUSED),
    "redis": ("http://127.0.0.2:6379/", REFUSED),
    "rabbitmq": ("http://127.0.0.2:5672/", REFUSED),
    "the largest": ("http://127.0.0.2:65535/", REFUSED),
    "zero": ("http://127.0.0.2:0/", REFUSED),
    "too large": ("http://127.0.0.2:65536/", FAILED),
    "round to 80": ("http://127.0.0.2:65616/", FAILED),
    "negative": ("http://127.0.0.2:-80/", FAILED),
    "hexadecimal": ("http://127.0.0.2:0x50/", FAILED),
    "a word": ("http://127.0.0.2:http/", FAILED),
    "two": ("http://127.0.0.2:80:{port}/", FAILED),
    "of a name": ("http://photos.test:22/", REFUSED),
}  # fmt: skip

NAMES: Final[Mapping[str, Known]] = {
    "photos.test": SITE,
    "loopback.test": "127.0.0.1",
    "another-loopback.test": "127.9.9.9",
    "zero.test": "0.0.0.0",
    "private.test": "10.0.0.1",
    "private-172.test": "172.16.0.1",
    "private-192.test": "192.168.0.1",
    "metadata.test": "169.254.169.254",
    "nat.test": "100.64.0.1",
    "multicast.test": "224.0.0.1",
    "broadcast.test": "255.255.255.255",
    "loopback6.test": "::1",
    "zero6.test": "::",
    "mapped.test": "::ffff:127.0.0.1",
    "mapped-allowed.test": "::ffff:127.0.0.2",
    "compatible.test": "::127.0.0.1",
    "nat64.test": "64:ff9b::7f00:1",
    "site-nat64.test": "64:ff9b:1::7f00:1",
    "sixtofour.test": "2002:7f00:1::1",
    "teredo.test": "2001:0:7f00:1::1",
    "isatap.test": "2606:4700::5efe:7f00:1",
    "unique-local.test": "fd00::1",
    "link-local.test": "fe80::1",
    "several.test": ("127.0.0.1", "10.0.0.1", "169.254.169.254"),
    "both.test": ("127.0.0.1", "::1"),
    "alias.test": Alias("loopback.test"),
    "alias6.test": Alias("loopback6.test"),
    "chain.test": Alias("alias.test"),
    "long-chain.test": Alias("chain.test"),
    "127.0.0.2.test": "127.0.0.1",
    "xn--bcher-kva.test": "127.0.0.1",
    "under_score.test": "127.0.0.1",
    **{f"rebinding-{number}.test": answers for number, answers in enumerate((
        InTurn(SITE, "127.0.0.1"),
        InTurn(SITE, "::1"),
        InTurn(SITE, "::ffff:127.0.0.1"),
        InTurn(SITE, ("127.0.0.1", "::1")),
        InTurn(SITE, Alias("loopback.test")),
        InTurn(SITE, "169.254.169.254"),
    ))},
}  # fmt: skip
"""An allowed site, and names that lead where nothing may connect."""

SPELLED_NAMES: Final[Mapping[str, str]] = {
    "in capitals": "LOOPBACK.TEST",
    "with a final dot": "loopback.test.",
    "in full-width letters": "\uff4c\uff4f\uff4f\uff50\uff42\uff41\uff43\uff4b.test",
    "international": "b\u00fccher.test",
}

REDIRECTS: Final[Mapping[str, tuple[str, str]]] = {
    **{
        f"to {name}": (f"http://{host}:{{port}}/secret.png", REFUSED)
        for name, host in THIS_MACHINE.items()
        if name not in ("superscript digits", "circled digits")  # as others
    },
    **{
        f"to IPv6, {name}": (f"http://{IPV6[name]}:{{port}}/secret.png", REFUSED)
        for name in (
            "loopback",
            "loopback with a zone",
            "IPv4-mapped",
            "IPv4-compatible",
            "NAT64",
            "6to4",
            "link-local",
        )
    },
    "to metadata": ("http://169.254.169.254/latest/meta-data/", REFUSED),
    "to a private address": ("http://10.0.0.1/", REFUSED),
    "to a name": ("http://loopback.test:{port}/", REFUSED),
    "to an alias": ("http://long-chain.test:{port}/", REFUSED),
    "to a name of IPv6": ("http://mapped.test:{port}/", REFUSED),
    "without a scheme": ("//127.0.0.1:{port}/", REFUSED),
    "with userinfo": ("http://photos.test@127.0.0.1:{port}/", REFUSED),
    "with a backslash": ("http://photos.test\\@127.0.0.1:{port}/", FAILED),
    "to another port": ("http://127.0.0.2:6379/", REFUSED),
    "to a denied domain": ("http://www.denied.test:{port}/", REFUSED),
    "to file": ("file:///etc/passwd", REFUSED),
    "to gopher": ("gopher://127.0.0.1:{port}/_", REFUSED),
    "to data": ("data:image/png;base64,iVBORw0KGgo=", REFUSED),
    "to ftp": ("ftp://127.0.0.1:{port}/", REFUSED),
    "to javascript": ("javascript:1", REFUSED),
    "to nonsense": ("http://[::1", FAILED),
    "to no host": ("http://", FAILED),
    "to a port beyond all": ("http://127.0.0.2:65536/", FAILED),
    "with an encoded line break": ("/a%0d%0aLocation:%20http://127.0.0.1:{port}/", "not_found"),
    "to itself": ("", FAILED),
    "round and round": ("../redirects/round-and-round", FAILED),
}


def _of_hosts(trick: str, hosts: Mapping[str, str]) -> Iterable[Hostile]:
    return [Hostile(trick, name, f"http://{host}:{{port}}/secret.png") for name, host in hosts.items()]


def _of_urls(trick: str, urls: Mapping[str, tuple[str, str]]) -> Iterable[Hostile]:
    return [Hostile(trick, name, url, code) for name, (url, code) in urls.items()]


def _of_names() -> Iterable[Hostile]:
    for name in NAMES:
        if name != "photos.test":
            trick = "rebinding" if name.startswith("rebinding") else "name"
            yield Hostile(trick, name, f"http://{name}:{{port}}/secret.png")
    yield from _of_hosts("name", SPELLED_NAMES)


def _of_redirects() -> Iterable[Hostile]:
    for name, (location, code) in REDIRECTS.items():
        path = name.replace(" ", "-").replace(",", "")
        url = f"http://{SITE}:{{port}}/redirects/{path}"
        yield Hostile("redirect", name, url, code, location or url)


def _of_answers() -> Iterable[Hostile]:
    for name, (_, code) in ANSWERS.items():
        yield Hostile("answer", name, f"http://{SITE}:{{port}}/answers/{name.replace(' ', '-')}", code)


TABLE: Final = (
    *_of_hosts("literal", THIS_MACHINE),
    *_of_hosts("network", OTHER_NETWORKS),
    *_of_hosts("ipv6", IPV6),
    *_of_urls("parser", PARSERS),
    *_of_urls("scheme", SCHEMES),
    *_of_urls("port", PORTS),
    *_of_names(),
    *_of_redirects(),
    *_of_answers(),
)

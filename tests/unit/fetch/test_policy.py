import pytest

from gateway.fetch.policy import FetchPolicy
from gateway.fetch.settings import FetchSettings

POLICY = FetchPolicy.of(FetchSettings())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.png", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/",
        "http://127.0.0.1./", "http://127.0.0.%31/", "http://①②⑦.0.0.1/", "http://127。0。0。1/", "https://0/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/", "http://[::127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[fec0::1]/",
        "http://localhost/", "http://LocalHost./", "http://a.localhost/", "http://ⓛocalhost/",
        "http://example.com@127.0.0.1/", "http://127.0.0.1#@example.com/", "http://169.254.169.254/latest/",
        "http://100.64.0.1/", "http://224.0.0.1/", "HTTP://10.1/",
    ],
)  # fmt: skip
def test_a_forbidden_address_is_known_as_it_stands(url: str) -> None:
    assert POLICY.forbidden_as_it_stands(url) == "leads to an address that may not be connected to"


@pytest.mark.parametrize(
    "url",
    ["http://example.com/a", "https://8.8.8.8/", "http://127.0.0.1.nip.io/", "http://127.0.0.1@example.com/"],
)
def test_what_only_a_look_up_can_tell_is_not_forbidden_as_it_stands(url: str) -> None:
    assert POLICY.forbidden_as_it_stands(url) is None


@pytest.mark.parametrize("url", ["http://[::1", "http:///x", "", "http://h:99999/", "http://[]@/"])
def test_what_is_unreadable_is_not_this_question(url: str) -> None:
    assert POLICY.forbidden_as_it_stands(url) is None


def test_another_port_is_forbidden_whatever_the_name() -> None:
    reason = POLICY.forbidden_as_it_stands("http://example.com:6379/")
    assert reason == "asks for port 6379, which may not be connected to"


def test_the_settings_say_what_is_allowed() -> None:
    policy = FetchPolicy.of(
        FetchSettings(allowed_networks=("10.0.0.0/8",), allowed_ports=(9000,), denied_domains=("bad.test",))
    )
    assert policy.forbidden_as_it_stands("http://10.1:9000/") is None
    assert policy.forbidden_as_it_stands("http://a.bad.test:9000/") == "leads to a domain that is not allowed"

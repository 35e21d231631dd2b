import pytest

from gateway.fetch.domains import DomainPolicy, normalised


@pytest.mark.parametrize(
    "host", ["example.com", "EXAMPLE.com", "example.com.", "a.example.com", "a.b.example.com"]
)
def test_a_domain_stands_for_itself_and_what_is_below_it(host: str) -> None:
    assert DomainPolicy(allowed=["example.com"]).permits(host)
    assert not DomainPolicy(denied=["example.com"]).permits(host)


@pytest.mark.parametrize(
    "host", ["notexample.com", "com", "example.com.evil.org", "example.org", "xample.com"]
)
def test_a_domain_stands_for_no_other(host: str) -> None:
    assert not DomainPolicy(allowed=["example.com"]).permits(host)
    assert DomainPolicy(denied=["example.com"]).permits(host)


def test_all_are_permitted_when_none_is_listed() -> None:
    assert DomainPolicy().permits("example.com")


def test_denied_wins_over_allowed() -> None:
    policy = DomainPolicy(allowed=["example.com"], denied=["bad.example.com"])
    assert policy.permits("good.example.com")
    assert not policy.permits("very.bad.example.com")


@pytest.mark.parametrize("listed", ["bücher.example", "BÜCHER.example.", "xn--bcher-kva.example"])
@pytest.mark.parametrize(
    "host", ["bücher.example", "www.Bücher.example", "xn--bcher-kva.example", "bücher。example"]
)
def test_international_names_are_compared_as_the_wire_spells_them(listed: str, host: str) -> None:
    assert not DomainPolicy(denied=[listed]).permits(host)


@pytest.mark.parametrize("host", ["1.2.3.4", "0x01020304", "16909060", "1.2.772", "1.2.3.4."])
def test_addresses_are_compared_in_any_spelling(host: str) -> None:
    assert not DomainPolicy(denied=["1.2.3.4"]).permits(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "[2001:4860::1]"])
def test_an_address_is_in_no_allowed_domain(host: str) -> None:
    assert not DomainPolicy(allowed=["example.com"]).permits(host)


@pytest.mark.parametrize(
    "domain",
    ["", ".", ".example.com", "a b", "http://example.com", "example.com/path", "*.example.com", "\udc80"],
)
def test_what_is_no_domain_is_an_error(domain: str) -> None:
    with pytest.raises(ValueError, match="is not a domain"):
        normalised(domain)


def test_a_host_that_cannot_be_compared_is_not_permitted() -> None:
    assert not DomainPolicy(denied=["example.com"]).permits("\udc80")

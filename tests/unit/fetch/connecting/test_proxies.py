"""Which proxy of the environment a URL is asked by."""

import pytest
from yarl import URL

from gateway.fetch.connecting.proxies import Proxies, ProxyUnusable
from tests.environment import without_proxies

PROXY = "http://proxy.test:3128"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    without_proxies(monkeypatch)
    return monkeypatch


def proxy_of(url: str) -> str | None:
    proxy = Proxies.of_environment().of(URL(url))
    return None if proxy is None else str(proxy)


def test_without_variables_there_is_none() -> None:
    assert not Proxies.of_environment()
    assert proxy_of("http://example.com/") is None


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("HTTP_PROXY", "http://example.com/"),
        ("http_proxy", "http://example.com/"),
        ("HTTPS_PROXY", "https://example.com/"),
        ("https_proxy", "https://example.com/"),
    ],
)
def test_each_scheme_has_its_own(environment: pytest.MonkeyPatch, name: str, url: str) -> None:
    environment.setenv(name, PROXY)
    assert proxy_of(url) == PROXY
    other = url.replace("http:", "https:") if url.startswith("http:") else url.replace("https:", "http:")
    assert proxy_of(other) is None


def test_a_proxy_may_be_written_without_its_scheme(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTP_PROXY", "proxy.test:3128")
    assert proxy_of("http://example.com/") == PROXY


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "http://a.example.com:81/", "http://EXAMPLE.com./", "http://10.1.2.3/",
        "http://xn--bcher-kva.example/",
    ],
)  # fmt: skip
def test_what_no_proxy_names_is_asked_without_one(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("HTTP_PROXY", PROXY)
    environment.setenv("NO_PROXY", "example.com, 10.1.2.3, xn--bcher-kva.example")
    assert proxy_of(url) is None
    assert proxy_of("http://notexample.com/") == PROXY


def test_a_star_stands_for_all(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTP_PROXY", PROXY)
    environment.setenv("NO_PROXY", "*")
    assert proxy_of("http://example.com/") is None


@pytest.mark.parametrize(
    "text", ["socks5://me:secret@proxy.test:1080", "http://[::1", "http://[]@/", "http://", "//"]
)
def test_a_proxy_that_can_not_be_used_is_named_by_its_variable_alone(
    environment: pytest.MonkeyPatch, text: str
) -> None:
    environment.setenv("HTTPS_PROXY", text)
    with pytest.raises(ProxyUnusable, match="HTTPS_PROXY names no proxy") as caught:
        Proxies.of_environment()
    assert "secret" not in str(caught.value)

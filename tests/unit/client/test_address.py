"""Where a gateway is, and that nobody is shown a password."""

import pytest

from gateway.client import GatewayClient
from gateway.client.address import Address

WITH_SECRETS = [
    "http://me:secret@host",
    "https://me:secret@host:8443/photos",
    "http://:secret@host",
    "http://secret@host",
    "http://me:s@secret@host",
    "http://me:secret@[::1]:8080",
]
NONE_WITH_SECRETS = [
    "ftp://me:secret@host",
    "http://me:secret@host:port",
    "http://me:sec/ret@host",
    "http://me:secret@host/?q",
]


@pytest.mark.parametrize("url", WITH_SECRETS)
def test_what_is_shown_has_no_credentials(url):
    address = Address.of(url)
    assert ("secret" in address.shown, "secret" in repr(address), address.has_credentials) == (
        False,
        False,
        True,
    )


@pytest.mark.parametrize("url", WITH_SECRETS)
def test_what_is_asked_has_them(url):
    assert "secret" in str(Address.of(url).url("batch"))


@pytest.mark.parametrize("url", NONE_WITH_SECRETS)
def test_who_refuses_an_address_does_not_repeat_it(url):
    with pytest.raises(ValueError, match="base_url") as refused:
        Address.of(url)
    assert "sec" not in str(refused.value)


def test_a_client_does_not_show_them_either():
    assert "secret" not in repr(GatewayClient(WITH_SECRETS[1]))


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        ("http://host", "batch", "http://host/api/v1/batch"),
        ("http://host/", "/healthz", "http://host/healthz"),
        ("https://host/photos/", "batch", "https://host/photos/api/v1/batch"),
        ("unix:///run/s", "batch", "http://localhost/api/v1/batch"),
    ],
)
def test_paths_are_those_below_it(base_url, path, url):
    assert str(Address.of(base_url).url(path)) == url


@pytest.mark.parametrize(("base_url", "path"), [("unix:///run/s", "/run/s"), ("unix:/run/s", "/run/s")])
def test_a_socket_has_a_path(base_url, path):
    assert Address.of(base_url).socket_path == path

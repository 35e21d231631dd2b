from typing import Any

import pytest

from gateway.fetch.settings import FetchSettings


def test_the_defaults_allow_the_public_web_alone() -> None:
    settings = FetchSettings()
    assert settings.allowed_networks == ()
    assert settings.allowed_ports == (80, 443)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("allowed_networks", ("10.0.0.1/8",), r"10\.0\.0\.1/8"),
        ("allowed_networks", ("intranet",), "intranet"),
        ("allowed_ports", (0,), "allowed_ports"),
        ("allowed_ports", (65536,), "allowed_ports"),
        ("allowed_domains", ("http://example.com",), "http://example.com"),
        ("allowed_domains", ("*.example.com",), "example.com"),
        ("denied_domains", ("",), "'' is not a domain"),
        ("connect_timeout_s", 0.0, "connect_timeout_s"),
        ("read_timeout_s", -1.0, "read_timeout_s"),
        ("total_timeout_s", 0.0, "total_timeout_s"),
        ("max_redirects", -1, "max_redirects"),
        ("extra_content_types", ("octets",), "octets"),
        ("tries", 0, "tries"),
        ("concurrency", 0, "concurrency"),
        ("per_host", 0, "per_host"),
        ("user_agent", "a\r\nX: y", "user_agent"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(name: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FetchSettings(**{name: value})

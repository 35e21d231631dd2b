import pytest

from gateway.settings.origins import normalised_origin


@pytest.mark.parametrize(
    ("written", "sent_by_browsers"),
    [
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com"),
        ("HTTPS://Example.COM", "https://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("http://example.com:8080/", "http://example.com:8080"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("*", "*"),
        ("null", "null"),
    ],
)
def test_an_origin_is_spelt_as_browsers_send_it(written, sent_by_browsers):
    assert normalised_origin(written) == sent_by_browsers


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("example.com", "https://example.com"),
        ("localhost:3000", "https://localhost:3000"),
        ("https://example.com/app", "https://example.com"),
        ("https://example.com?a=1", "https://example.com"),
        ("https://example.com/#top", "https://example.com"),
        ("https://ada@example.com", "https://example.com"),
    ],
)
def test_what_is_nearly_an_origin_is_refused_with_the_one_that_was_meant(written, meant):
    with pytest.raises(ValueError, match="is not an origin; did you mean") as refusal:
        normalised_origin(written)
    assert str(refusal.value).endswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    "written", ["", "https://", "https://*.example.com", "https://a b", "http://a:99999"]
)
def test_what_no_browser_would_send_is_refused(written):
    with pytest.raises(ValueError, match="write it like"):
        normalised_origin(written)

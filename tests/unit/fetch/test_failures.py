import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ContentError
from gateway.fetch.failures import DownloadFailed, DownloadRefused, masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a/b.jpg", "https://example.com/a/b.jpg"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("https://h/a?X-Amz-Signature=secret", "https://h/a?***"),
        ("https://h/a?secret#secret", "https://h/a?***"),
        ("https://h/a#secret", "https://h/a"),
        ("https://me:secret@h/a", "https://***@h/a"),
        ("https://secret@x:secret@h/a", "https://***@h/a"),
        ("https://me:secret@h:1/a?secret", "https://***@h:1/a?***"),
        ("http://bücher.example/ä", "http://bücher.example/ä"),
        ("https://me:sec/ret@h/", "this text"),
        ("https://[::1", "this text"),
        ("secret", "this text"),
        ("https:secret@h", "this text"),
        ("", "this text"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_a_long_url_is_cut() -> None:
    assert len(masked("http://h/" + "a" * 10_000 + "?x")) < 220


@given(st.text())
def test_any_text_is_shown_printably(tail: str) -> None:
    shown = masked("http://h/" + tail)
    assert "\n" not in shown
    assert "\x1b" not in shown
    shown.encode()


def test_an_error_says_what_was_asked_and_what_came_back() -> None:
    error = DownloadFailed("http://u:p@h/a?b", "answered 404", code="not_found")
    assert (error.text, error.code) == ("http://***@h/a?*** answered 404", "not_found")


@pytest.mark.parametrize(
    ("kind", "code"), [(DownloadFailed, "download_failed"), (DownloadRefused, "download_refused")]
)
def test_an_error_fails_one_image_and_is_final_unless_it_says_otherwise(
    kind: type[DownloadFailed], code: str
) -> None:
    error = kind("http://h/", "x")
    assert isinstance(error, ContentError)
    assert (error.code, error.retryable, error.retry_after_s) == (code, False, None)

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gateway.fetch.urls import UrlRefused, UrlUnreadable, next_hop, readable


def test_userinfo_and_fragment_are_not_asked() -> None:
    assert str(readable("http://me:secret@example.com/a?b=c#d")) == "http://example.com/a?b=c"


@pytest.mark.parametrize(
    "url", ["ftp://h/a", "file:///etc/passwd", "gopher://h/", "data:,a", "javascript:1", "h/a", ""]
)
def test_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        readable(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://", "http:///a", "http:h/a", "http://[::1", "http://h:99999/", "http://h:x/", "http://a b/",
        "http://a..b/", "http://.a/", f"http://{'a' * 64}.de/", f"http://{'a.' * 130}de/", "http://h\0/",
        "http://h%0d%0aX/", "http://a\\@127.0.0.1/", "http://*.de/", "http://\udc80/",
        "http://[v1.127.0.0.1]/", "http://256.0.0.1/", "http://1.2.3.4.5/", "http://a.0x7f/",
        "http://[]@/", "http://[::1]:80@",
    ],
)  # fmt: skip
def test_what_has_no_host_to_look_up_is_unreadable(url: str) -> None:
    with pytest.raises(UrlUnreadable):
        readable(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "HTTPS://Example.COM./",
        "http://a_b.c-d.e1/",
        "http://[2001:4860::1]:80/",
        "http://8.8.8.8",
    ],
)
def test_a_host_to_look_up_is_read(url: str) -> None:
    assert readable(url).raw_host


@pytest.mark.timeout(60)
@pytest.mark.parametrize("before", ["http://", "http:/\n/", " HTTPS://me:secret@", "//"])
@pytest.mark.parametrize("dot", ["", ".", "\u3002"], ids=["one label", "labels", "labels by another dot"])
def test_a_host_too_long_for_a_name_is_told_soon(before: str, dot: str) -> None:
    """IDNA would take five seconds for such a label, and a batch may bring a hundred."""
    chance = random.Random(1)
    labels = ("".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(60)) for _ in range(100))
    url = before + dot.join(labels) + "/a.jpg"
    for _ in range(20):
        with pytest.raises(UrlUnreadable):
            next_hop(URL("http://h/"), url)


def test_a_long_way_to_a_short_host_is_read() -> None:
    url = f"http://{'u' * 300}:{'p' * 300}@h:65535/{'a' * 300}//{'b' * 300}?{'c' * 300}@{'d' * 300}"
    assert readable(url).raw_host == "h"


def test_line_breaks_do_not_reach_the_wire() -> None:
    assert readable("http://h/a\r\nX: y").raw_path == "/aX:%20y"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "https://h/b"),
        ("b?c#d", "https://h/x/b?c"),
        ("//other/b", "https://other/b"),
        ("https://me:secret@other:8443/b", "https://other:8443/b"),
        ("", "https://h/x/y"),
    ],
)
def test_a_redirect_leads_where_its_location_says(location: str, target: str) -> None:
    assert next_hop(URL("https://h/x/y"), location) == URL(target)


def test_a_redirect_from_http_to_https_is_followed() -> None:
    assert next_hop(URL("http://h/"), "https://h/").scheme == "https"


def test_a_redirect_from_https_to_http_is_refused() -> None:
    with pytest.raises(UrlRefused, match="redirects from https to http"):
        next_hop(URL("https://h/"), "http://h/")


@pytest.mark.parametrize("location", ["ftp://h/", "file:///etc/passwd", "data:image/png,x"])
def test_a_redirect_to_another_scheme_is_refused(location: str) -> None:
    with pytest.raises(UrlRefused):
        next_hop(URL("https://h/"), location)


PIECES = st.sampled_from(
    ["http", "://", "//", "/", ":", "@", "\\", "[", "]", "?", "#", ".", "%", "%00", "::1", "127.1", "\uff0e", "\udc80"]
)  # fmt: skip
TEXTS = st.text() | st.lists(PIECES | st.characters()).map("".join)


@given(TEXTS)
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    with suppress(UrlUnreadable, UrlRefused):
        assert readable("http://" + text).scheme == "http"
    with suppress(UrlUnreadable, UrlRefused):
        assert next_hop(URL("https://h/"), text).scheme == "https"

"""Places for downloads, in all and by host, and hosts that rest."""

import pytest

from gateway.fetch.hosts import Places, Rests, host_of


@pytest.mark.parametrize(
    "url",
    [
        "http://bücher.example/a", "https://xn--bcher-kva.example:8443/b?c", "http://me:secret@BÜCHER.example./",
    ],
)  # fmt: skip
def test_a_host_is_one_whatever_its_scheme_port_path_and_spelling(url: str) -> None:
    assert host_of(url) == "xn--bcher-kva.example"


@pytest.mark.parametrize("url", ["http://127.0.0.2/", "http://127.2:81/", "http://0x7f000002/a"])
def test_an_address_is_one_host_in_any_spelling(url: str) -> None:
    assert host_of(url) == "127.0.0.2"


@pytest.mark.parametrize("url", ["", "http://", "http://[::1", "http://a..b/", "\udc80"])
def test_what_cannot_be_read_has_no_host(url: str) -> None:
    assert host_of(url) == ""


def test_a_host_has_no_more_places_than_its_own() -> None:
    places = Places(3, 1, running=["a"])
    assert not places.is_left_for("a")
    assert places.is_left_for("b")


def test_all_hosts_together_have_no_more_places_than_there_are() -> None:
    places = Places(2, 2, running=["a"])
    places.take("b")
    assert not places.is_any_left()
    assert not places.is_left_for("c")


def test_a_host_rests_for_as_long_as_it_asked() -> None:
    rests = Rests()
    rests.begin("a", now=100.0, pause_s=10.0)
    assert not rests.is_over("a", now=109.9)
    assert rests.is_over("a", now=110.0)
    assert rests.is_over("b", now=100.0)


def test_a_shorter_pause_ends_no_rest_that_has_begun() -> None:
    rests = Rests()
    rests.begin("a", now=100.0, pause_s=10.0)
    rests.begin("a", now=101.0, pause_s=1.0)
    assert not rests.is_over("a", now=109.0)

"""Accept and Prefer, as clients write them."""

import pytest

from gateway.api.preferences import prefers, wait_s

STREAM = "text/event-stream"


@pytest.mark.parametrize(
    "accept",
    [
        ["text/event-stream"],
        ["Text/Event-Stream"],
        ["text/event-stream;charset=utf-8"],
        ["text/event-stream, */*"],
        ["text/event-stream, */*;q=0.1"],
        ["text/event-stream;q=0.9, application/json;q=0.8"],
        ["application/json;q=0.5", "text/event-stream"],
        ['text/plain;x="a,text/html;q=1", text/event-stream'],
        ["text/event-stream;q=1.000"],
    ],
)
def test_a_client_that_names_events_and_nothing_rather_gets_events(accept: list[str]) -> None:
    assert prefers(STREAM, accept)


@pytest.mark.parametrize(
    "accept",
    [
        [],
        [""],
        ["*/*"],
        ["text/*"],
        ["application/json"],
        ["application/json, text/event-stream"],
        ["text/event-stream;q=0"],
        ["text/event-stream;q=0.000, */*"],
        ["text/event-stream;q=0.5, application/json"],
        ["text/event-stream;q=0.5, */*"],
        ["text/event-stream;q=high"],
        ["text/event-stream;q=2"],
        ['text/plain;x=", text/event-stream"'],
        ["text/event-streams"],
        [",,;;,"],
    ],
)
def test_every_other_client_gets_json(accept: list[str]) -> None:
    assert not prefers(STREAM, accept)


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (["wait=10"], 10),
        (["Wait = 10"], 10),
        (['wait="10"'], 10),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10"], 10),
        (["wait=10; strict"], 10),
        (['handling=lenient; x="a, wait=3", wait=10'], 10),
        (["wait=010"], 10),
        (["wait=5, wait=50"], 5),
        (["wait=5", "wait=50"], 5),
        (["wait=61"], 60),
        (["wait=999999999"], 60),
        (["wait=9999999999"], 60),
        (["wait=" + "1" * 5000], 60),
        (["wait=" + "0" * 5000 + "7"], 7),
        (["wait=000"], None),
        (["wait=100"], 60),
        (["wait=soon, wait=10"], None),
        (["wait=0"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait"], None),
        (["wait="], None),
        (["waiting=5"], None),
        (["respond-async; wait=5"], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_seconds_that_a_client_would_wait(prefer: list[str], seconds: int | None) -> None:
    assert wait_s(prefer) == seconds


@pytest.mark.parametrize("part", ['"', '\\"', '"\\', ';"', ',"a', 'a;"\\\\'])
def test_no_part_of_a_header_is_read_twice(part: str) -> None:
    """It would take longer than any test may."""
    hard = [part * (2_000_000 // len(part))]
    assert not prefers(STREAM, hard)
    assert wait_s(hard) is None


def test_no_digit_of_a_wait_is_read_twice() -> None:
    """Likewise."""
    assert wait_s(["wait=" + "0" * 2_000_000 + "s"]) is None

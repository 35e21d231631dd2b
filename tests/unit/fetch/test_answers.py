import pytest

from gateway.fetch.answers import LONGEST_WAIT_S, demand_an_image, retry_after_s
from gateway.fetch.failures import DownloadFailed

URL = "https://h/a"


@pytest.mark.parametrize("media_type", ["image/png", "IMAGE/JPEG", "image/jpeg; q=1", " image/webp ;x"])
@pytest.mark.parametrize("length", [{}, {"Content-Length": "0"}, {"Content-Length": "10"}])
def test_an_image_within_bounds_is_taken(media_type: str, length: dict[str, str]) -> None:
    demand_an_image(URL, 200, {"Content-Type": media_type, **length}, host="h", max_bytes=10)


@pytest.mark.parametrize(
    "media_type", ["text/html", "application/octet-stream", "imagex/png", "x", "text/image/png"]
)
def test_another_type_is_not_taken(media_type: str) -> None:
    with pytest.raises(DownloadFailed, match=f"sent {media_type} instead of an image"):
        demand_an_image(URL, 200, {"Content-Type": media_type}, host="h", max_bytes=10)


def test_a_hostile_type_is_shown_harmlessly() -> None:
    with pytest.raises(DownloadFailed) as caught:
        demand_an_image(URL, 200, {"Content-Type": "<b>\x1b[31m\udc80" + "x" * 1000}, host="h", max_bytes=10)
    assert caught.value.text.isascii()
    assert caught.value.text.isprintable()
    assert len(caught.value.text) < 200


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:29:00 GMT"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:29:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 60.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:27:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:29:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:00"}, None),
    ],
)
def test_when_to_come_again_is_read_as_seconds_or_a_date(
    headers: dict[str, str], wait_s: float | None
) -> None:
    assert retry_after_s(headers) == wait_s


def failure(status: int, headers: dict[str, str]) -> DownloadFailed:
    with pytest.raises(DownloadFailed) as caught:
        demand_an_image(URL, status, headers, host="h", max_bytes=10)
    return caught.value


@pytest.mark.parametrize(
    ("status", "headers", "resting_host"),
    [
        (429, {}, "h"),
        (429, {"Retry-After": "7"}, "h"),
        (503, {"Retry-After": "7"}, "h"),
        (503, {"Retry-After": "soon"}, None),
        (503, {}, None),
        (500, {}, None),
    ],
)
def test_a_pause_is_for_all_images_of_a_host_that_asks_for_one_or_has_too_many_requests(
    status: int, headers: dict[str, str], resting_host: str | None
) -> None:
    assert failure(status, headers).resting_host == resting_host


@pytest.mark.parametrize(("wait_s", "retryable"), [(LONGEST_WAIT_S, True), (LONGEST_WAIT_S + 1, False)])
def test_a_pause_that_is_too_long_is_told_and_not_waited_for(wait_s: float, retryable: bool) -> None:
    error = failure(503, {"Retry-After": f"{wait_s:.0f}"})
    assert error.retryable is retryable
    assert ("asked for a pause of 301 s" in error.text) is not retryable


@pytest.mark.parametrize("status", [404, 403, 301])
def test_a_pause_counts_only_for_what_may_go_better(status: int) -> None:
    error = failure(status, {"Retry-After": "7"})
    assert (error.retryable, error.retry_after_s, error.resting_host) == (False, None, None)

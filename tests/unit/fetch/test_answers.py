import pytest

from gateway.fetch.answers import demand_an_image, retry_after_s
from gateway.fetch.failures import DownloadFailed

URL = "https://h/a"


@pytest.mark.parametrize("media_type", ["image/png", "IMAGE/JPEG", "image/jpeg; q=1", " image/webp ;x"])
@pytest.mark.parametrize("length", [{}, {"Content-Length": "0"}, {"Content-Length": "10"}])
def test_an_image_within_bounds_is_taken(media_type: str, length: dict[str, str]) -> None:
    demand_an_image(URL, 200, {"Content-Type": media_type, **length}, max_bytes=10)


@pytest.mark.parametrize(
    "media_type", ["text/html", "application/octet-stream", "imagex/png", "x", "text/image/png"]
)
def test_another_type_is_not_taken(media_type: str) -> None:
    with pytest.raises(DownloadFailed, match=f"sent {media_type} instead of an image"):
        demand_an_image(URL, 200, {"Content-Type": media_type}, max_bytes=10)


def test_a_hostile_type_is_shown_harmlessly() -> None:
    with pytest.raises(DownloadFailed) as caught:
        demand_an_image(URL, 200, {"Content-Type": "<b>\x1b[31m\udc80" + "x" * 1000}, max_bytes=10)
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

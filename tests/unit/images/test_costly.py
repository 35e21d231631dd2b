"""What is fed in a thread: whatever may take a CPU more than a moment."""

import pytest

from gateway.errors import ContentError
from gateway.images.inspect import Inspector
from tests.photos import a_jpeg, a_png
from tests.png_parts import ihdr, png

KIB = 1024


def fed(data: bytes) -> Inspector:
    inspector = Inspector()
    inspector.feed(data)
    return inspector


@pytest.mark.parametrize(
    "place", [0, 3, 10], ids=["whole", "behind a part of its signature", "behind its signature"]
)
def test_a_png_is_costly(place: int) -> None:
    assert fed(a_png()[:place]).is_costly(a_png()[place:])


def test_a_jpeg_is_not() -> None:
    assert not Inspector().is_costly(a_jpeg())


def test_the_scan_of_a_photo_is_not() -> None:
    """It has a stuffed 0xFF in 256 bytes or so."""
    assert not fed(a_jpeg()[:-2]).is_costly(bytes(range(256)) * 256)


@pytest.mark.parametrize("image", [a_jpeg(), a_png()], ids=["JPEG", "PNG"])
def test_a_film_behind_the_end_is_only_where_much_comes_at_once(image: bytes) -> None:
    assert not fed(image).is_costly(b"film" * 32 * KIB)
    assert fed(image).is_costly(b"film" * 33 * KIB)


def test_nothing_is_once_the_image_is_refused() -> None:
    inspector = Inspector()
    with pytest.raises(ContentError):
        inspector.feed(png(header=ihdr(0, 0)))

    assert not inspector.is_costly(a_png())

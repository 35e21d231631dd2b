"""gateway.analyzer.decoding: no more of a JPEG is decoded than its use needs."""

import pytest

from gateway.analyzer.decoding import decoded
from tests.drawn import ORANGE, a_file, a_picture


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4000, 3000), (500, 375)),
        ((3000, 4000), (375, 500)),
        ((1000, 750), (500, 375)),
        ((990, 740), (990, 740)),
        ((400, 300), (400, 300)),
        ((3000, 2), (1500, 1)),
    ],
)
def test_a_jpeg_is_decoded_as_small_as_its_longest_side_allows(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    with decoded(a_file(a_picture(ORANGE, size=size)), max_pixels=10**8, longest_side=500) as found:
        assert found.picture.size == expected
        assert (found.width, found.height) == size

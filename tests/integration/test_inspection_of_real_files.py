"""What cameras, phones and programs wrote is taken, however strange it is: the bounds are for other files."""

import io

import pytest
from PIL import Image

from gateway.images.inspect import Inspector
from tests.real_files import real_files


@pytest.mark.parametrize("name", real_files())
def test_a_real_file_is_taken_with_the_size_that_pillow_reads(name: str) -> None:
    data = real_files()[name]()
    inspector = Inspector()
    inspector.feed(data)
    facts = inspector.finish()

    with Image.open(io.BytesIO(data), formats=["JPEG", "PNG"]) as opened:
        assert (facts.width, facts.height) == opened.size

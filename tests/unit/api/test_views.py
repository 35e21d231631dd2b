"""What is said of jobs in words."""

import pytest

from gateway.api.views import created_fields
from gateway.domain.receipt import receipt_of
from tests import builders


@pytest.mark.parametrize(("images", "text"), [(1, "1 image"), (2, "2 images"), (100, "100 images")])
def test_images_are_counted_in_words(images: int, text: str) -> None:
    assert created_fields(receipt_of(builders.a_job(images)))["message"] == f"Batch job created with {text}"

"""What is said of jobs in words."""

import pytest

from gateway.api.views import created_fields, to_json
from gateway.domain.receipt import receipt_of
from tests import builders
from tests.traced_memory import traced_memory


@pytest.mark.parametrize(("images", "text"), [(1, "1 image"), (2, "2 images"), (100, "100 images")])
def test_images_are_counted_in_words(images: int, text: str) -> None:
    assert created_fields(receipt_of(builders.a_job(images)))["message"] == f"Batch job created with {text}"


def test_json_that_is_kept_takes_no_more_memory_than_it_is_long() -> None:
    with traced_memory() as traced:
        kept = [to_json({"job_id": "j" * length}) for length in range(1000)]
    assert traced.held_bytes < sum(map(len, kept)) + 100 * len(kept)

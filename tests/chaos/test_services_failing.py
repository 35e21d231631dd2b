"""Images that a processor refused may fail so, and no others."""

from tests.chaos.faults.services_failing import needless_failures

COMPLETED = {"status": "completed"}
REFUSED = {"status": "failed", "code": "tagging_failed"}


def test_as_many_failures_as_the_processor_told_of_are_none_of_the_gateways() -> None:
    assert needless_failures([{"images": [REFUSED, COMPLETED]}, {"images": [REFUSED]}], refused=2).lost == 0


def test_one_more_failure_than_the_processor_told_of_is_an_image_lost() -> None:
    measured = needless_failures([{"images": [REFUSED, COMPLETED]}, {"images": [REFUSED]}], refused=1)
    assert measured.lost == 1
    assert measured.violations == ("lost: 2 images are tagging_failed, and the processor refused 1",)

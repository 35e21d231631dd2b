"""Images that a processor refused may fail so, and no others."""

from tests.chaos.faults.services_failing import needless_failures

TOLD = '{"reason": "It took too long.", "event": "image failed"}'
COMPLETED = {"index": 0, "status": "completed"}
REFUSED = {"index": 1, "status": "failed", "code": "tagging_failed", "error": "It took too long."}
GIVEN_UP = REFUSED | {"error": "Nobody came to its end."}


def test_failures_for_a_reason_that_the_processor_told_of_are_none_of_the_gateways() -> None:
    jobs = [{"job_id": "a", "images": [COMPLETED, REFUSED]}, {"job_id": "b", "images": [COMPLETED, REFUSED]}]
    assert needless_failures(jobs, TOLD).lost == 0


def test_a_failure_for_another_reason_is_an_image_lost() -> None:
    measured = needless_failures([{"job_id": "a", "images": [COMPLETED, GIVEN_UP]}], TOLD)
    assert measured.lost == 1
    assert measured.violations == (
        "lost: image 1 of a is tagging_failed, and no processor told: Nobody came to its end.",
    )


def test_without_a_refusal_no_image_may_fail() -> None:
    assert needless_failures([{"job_id": "a", "images": [COMPLETED, REFUSED]}], "working").lost == 1

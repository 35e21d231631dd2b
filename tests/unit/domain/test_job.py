"""What a job says of itself."""

from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.job import Counts, Outcome, Stage, Status, outcome_of
from tests.builders import NOW, a_job, a_refused_image, a_url_image, an_accepted_job, an_image, publish


def test_a_new_job_is_pending():
    assert a_job(images=3).status is Status.PENDING


def test_a_job_is_processing_from_its_first_image_on():
    assert a_job(images=3, published=1).status is Status.PROCESSING


def test_a_job_with_a_refused_image_is_pending_until_another_begins():
    job = an_accepted_job([a_refused_image(0), an_image(1)]).job
    assert (job.status, job.counts.failed) == (Status.PENDING, 1)


def test_a_job_is_completed_when_all_have_ended_and_at_least_one_is_completed():
    assert a_job(images=3, completed=1, failed=2).status is Status.COMPLETED


def test_a_job_is_failed_when_every_image_failed():
    assert a_job(images=2, failed=2).status is Status.FAILED


def test_a_job_of_refused_images_alone_has_failed_at_once():
    change = an_accepted_job([a_refused_image(0), a_refused_image(1)])
    assert (change.job.status, change.job.completed_at) == (Status.FAILED, NOW)


def test_a_cancelled_job_is_cancelled_whatever_was_completed_before():
    job = a_job(images=3, completed=2, cancelled=True)
    assert (job.status, job.counts) == (Status.CANCELLED, Counts(2, 0, 1, 0))


@pytest.mark.parametrize(
    ("job", "outcome"),
    [
        (a_job(images=2, completed=2), Outcome.ALL_COMPLETED),
        (a_job(images=2, completed=1, failed=1), Outcome.PARTIAL),
        (a_job(images=2, failed=2), Outcome.ALL_FAILED),
        (an_accepted_job([a_refused_image()]).job, Outcome.ALL_FAILED),
        (a_job(images=3, completed=1, failed=1, cancelled=True), Outcome.CANCELLED),
        (a_job(images=2, completed=1), None),
        (a_job(images=2, failed=1), None),
    ],
    ids=["completed", "both", "failed", "refused", "cancelled", "waits for one", "waits for another"],
)
def test_an_ended_job_says_how_it_went_and_an_open_one_does_not(job, outcome):
    assert job.outcome is outcome


@given(st.builds(Counts, *[st.integers(0, 100)] * 3, st.just(0)).filter(lambda counts: counts.total > 0))
def test_all_is_said_of_all_images_and_partial_of_some(counts):
    status = Status.COMPLETED if counts.completed else Status.FAILED
    told = outcome_of(Status.CANCELLED if counts.cancelled else status, counts)
    assert (told is Outcome.ALL_COMPLETED) == (counts.completed == counts.total)
    assert (told is Outcome.ALL_FAILED) == (counts.failed == counts.total)
    assert (told is Outcome.CANCELLED) == (counts.cancelled > 0)
    assert (told is Outcome.PARTIAL) == (counts.completed > 0 < counts.failed and not counts.cancelled)


@given(st.builds(Counts, *[st.integers(0, 100)] * 4).filter(lambda counts: counts.open > 0))
def test_nothing_is_said_of_how_a_job_went_while_an_image_is_open(counts):
    assert outcome_of(Status.PENDING, counts) is outcome_of(Status.PROCESSING, counts) is None


def test_a_job_began_with_the_first_of_its_images():
    job = publish(a_job(images=3), 2, now=NOW).job
    job = publish(job, 0, now=NOW + timedelta(seconds=1)).job
    assert (a_job(images=3).started_at, job.started_at) == (None, NOW)


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELLED])
def test_a_final_status_is_final(status):
    assert status.is_final


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING])
def test_an_open_status_is_not_final(status):
    assert not status.is_final


def test_an_image_waits_first_for_its_download_then_for_the_broker_then_for_its_result():
    waiting = a_url_image()
    stored = evolve(waiting, original=an_image().original)
    in_broker = evolve(stored, published_at=NOW)
    assert [image.stage for image in (waiting, stored, in_broker)] == [
        Stage.FETCH,
        Stage.PUBLISH,
        Stage.RESULT,
    ]


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELLED])
def test_an_image_that_has_ended_waits_for_nothing(status):
    assert an_image(status=status).stage is Stage.ENDED
    assert a_url_image(status=status).stage is Stage.ENDED


def test_an_image_is_found_by_its_first_attempts_name():
    job = a_job(images=3)
    assert job.image_of(job.images[1].trace_id) is job.images[1]
    assert job.image_of("nobody") is None


@pytest.mark.parametrize("total", [1, 3, 7, 49, 100, 1_000])
def test_progress_is_exactly_a_hundred_at_the_end_and_below_before(total):
    assert Counts(total, 0, 0, 0).progress == 100.0
    assert Counts(0, total, 0, 0).progress == 100.0
    assert Counts(total - 1, 0, 0, 1).progress < 100.0
    assert Counts(0, 0, 0, total).progress == 0.0


def test_progress_counts_failed_and_cancelled_images_as_ended():
    assert Counts(completed=1, failed=1, cancelled=1, open=1).progress == 75.0


def test_the_four_counts_add_up_to_the_total():
    counts = a_job(images=5, completed=1, failed=2).counts
    assert (counts.total, counts.ended, counts.open) == (5, 3, 2)

"""What the end of an attempt does to its image: completed, failed, dead-lettered, refused, or lost."""

from datetime import timedelta

import pytest

from gateway.domain.events import EventType
from gateway.domain.job import Job, Stage, Status
from gateway.domain.transitions import (
    AttemptEnd,
    attempt_completed,
    attempt_lost,
    attempt_rejected,
    attempts_ended,
    published,
)
from tests.builders import NOW, a_failure, a_job, after, attempt_failed, attempt_of, publish, some_metadata
from tests.unit.domain.steps import (
    LATER,
    POLICY,
    at_attempt,
    completed,
    failed,
    kinds,
    lost,
    refused,
    rejected,
)


def test_a_result_may_overtake_its_confirm():
    job = after(completed(a_job(images=2))).job
    image = job.images[0]
    assert (image.status, image.start_time, image.end_time) == (Status.COMPLETED, LATER, LATER)
    assert published(job, [attempt_of(job)], LATER) is None


def test_a_completed_image_knows_where_it_lies_and_its_metadata():
    image = after(completed(a_job(images=2, published=1))).job.images[0]
    assert (image.processed_path, image.metadata) == ("a/b.jpg", some_metadata())


@pytest.mark.parametrize("number", [1, 2])
def test_the_first_completed_of_any_attempt_wins_while_the_image_is_open(number):
    job = after(completed(at_attempt(2), number)).job
    assert job.images[0].status is Status.COMPLETED
    assert completed(job, 3 - number) is None


def test_a_failure_of_the_newest_attempt_fails_the_image():
    image = after(failed(at_attempt(2), 2)).job.images[0]
    assert (image.status, image.failure) == (Status.FAILED, a_failure())


def test_a_failure_of_an_older_attempt_is_ignored():
    assert failed(at_attempt(2), 1) is None


def test_a_dead_letter_sends_the_image_again_after_a_pause_that_grows():
    first = after(rejected(at_attempt(1), 1))
    second = after(rejected(publish(first.job).job, 2))
    pauses = [(change.job.images[0].attempt, change.job.images[0].not_before) for change in (first, second)]
    assert pauses == [(2, LATER + timedelta(seconds=2)), (3, LATER + timedelta(seconds=4))]
    assert first.job.images[0].stage is Stage.PUBLISH
    assert first.events == second.events == ()


def test_a_dead_letter_of_an_older_attempt_is_ignored():
    assert rejected(at_attempt(2), 1) is None


def test_a_dead_letter_of_the_last_attempt_fails_the_image():
    image = after(rejected(at_attempt(3), 3)).job.images[0]
    assert (image.status, image.failure, image.attempt) == (Status.FAILED, a_failure(), 3)


def test_a_refusal_of_the_newest_attempt_fails_the_image_though_there_are_attempts_left():
    change = after(refused(at_attempt(2), 2))
    image = change.job.images[0]
    assert (image.status, image.failure, image.attempt) == (Status.FAILED, a_failure("analysis_refused"), 2)
    assert kinds(change) == [EventType.IMAGE_COMPLETE]


def test_a_refusal_of_an_older_attempt_is_ignored():
    assert refused(at_attempt(2), 1) is None


def test_a_lost_attempt_is_made_again_at_once_and_is_no_news():
    change = after(lost(at_attempt(1), 1))
    image = change.job.images[0]
    assert (image.attempt, image.stage, image.not_before) == (2, Stage.PUBLISH, None)
    assert change.events == ()


def test_the_last_attempt_that_is_lost_fails_the_image():
    image = after(lost(at_attempt(3), 3)).job.images[0]
    assert (image.status, image.failure) == (Status.FAILED, a_failure("no_result"))


def test_only_an_attempt_in_the_broker_can_be_lost_and_only_the_newest():
    assert lost(at_attempt(2), 1) is None
    assert lost(after(rejected(at_attempt(1), 1)).job, 2) is None
    assert lost(a_job(images=2)) is None


def test_what_comes_late_of_a_lost_attempt_counts_as_of_any_older_one():
    job = after(lost(at_attempt(1), 1)).job
    assert failed(job, 1) is None
    assert rejected(job, 1) is None
    assert published(job, [attempt_of(job, 0, 1)], LATER) is None
    assert after(completed(job, 1)).job.images[0].status is Status.COMPLETED


def ends_of(job: Job, *results: tuple[int, int, bool]) -> list[AttemptEnd]:
    """By index, number of the attempt, and whether it completed."""
    return [
        AttemptEnd(attempt_of(job, index, number), LATER, processed_path="a/b.jpg")
        if is_completed
        else AttemptEnd(attempt_of(job, index, number), LATER, failure=a_failure())
        for index, number, is_completed in results
    ]


def test_results_that_came_together_are_one_change_and_each_is_judged_by_what_those_before_it_left():
    job = a_job(images=3, published=3)
    ends = ends_of(job, (1, 2, False), (0, 1, True), (0, 1, False), (1, 1, False), (1, 1, True), (2, 1, True))
    change, ended = attempts_ended(job, ends)
    assert change is not None
    completed, failed, last = change.job.images
    assert ended == [None, completed, None, failed, None, last]
    assert [image.status for image in change.job.images] == [
        Status.COMPLETED,
        Status.FAILED,
        Status.COMPLETED,
    ]
    assert [event.seq for event in change.events] == list(range(job.seq + 1, change.job.seq + 1))
    assert kinds(change) == [EventType.IMAGE_COMPLETE] * 3 + [EventType.JOB_COMPLETE]
    assert [event.image for event in change.events[:3]] == list(change.job.images)
    assert [event.counts.ended for event in change.events] == [1, 2, 3, 3]
    assert change.events[-1].counts == change.job.counts


def test_results_none_of_which_counts_are_no_change():
    job = a_job(images=1, completed=1)
    assert attempts_ended(job, ends_of(job, (0, 1, False), (0, 1, True))) == (None, [None, None])
    assert attempts_ended(job, []) == (None, [])


def test_a_result_of_an_unknown_image_changes_nothing():
    job = a_job(images=1)
    stranger = attempt_of(a_job(images=1))
    assert attempt_completed(job, stranger, "a", None, NOW) is None
    assert attempt_failed(job, stranger, a_failure(), NOW) is None
    assert attempt_rejected(job, stranger, a_failure(), POLICY, NOW) is None
    assert attempt_lost(job, stranger, a_failure(), POLICY, NOW) is None
    assert published(job, [stranger], NOW) is None

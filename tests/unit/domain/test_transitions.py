"""How a job changes until its images are in the broker, when it is cancelled, and what never changes."""

import pytest

from gateway.domain.events import EventType
from gateway.domain.job import Stage, Status
from gateway.domain.transitions import (
    attempt_completed,
    begin_fetch,
    cancel,
    fail,
    fetch_later,
    fetched,
    published,
    unpublished,
)
from tests.builders import (
    NOW,
    a_failure,
    a_job,
    a_refused_image,
    a_url_image,
    after,
    an_accepted_job,
    an_image,
    attempt_of,
    publish,
)
from tests.unit.domain.steps import LATER, at_attempt, completed, failed, kinds, lost, rejected

# Accepted


def test_a_new_job_begins_its_log_with_a_progress():
    change = an_accepted_job(images=2)
    assert (kinds(change), change.job.seq) == ([EventType.PROGRESS], 1)


def test_a_refused_image_ends_in_the_first_commit():
    change = an_accepted_job([a_refused_image(0), an_image(1)])
    assert kinds(change) == [EventType.PROGRESS, EventType.IMAGE_COMPLETE]
    assert change.events[1].image is change.job.images[0]


def test_a_job_of_refused_images_alone_is_over_in_the_first_commit():
    change = an_accepted_job([a_refused_image(0)])
    assert kinds(change) == [EventType.PROGRESS, EventType.IMAGE_COMPLETE, EventType.JOB_COMPLETE]


# Fetched


def test_a_download_is_counted_before_it_is_made_and_starts_the_image():
    job = after(begin_fetch(an_accepted_job([a_url_image()]).job, 0, LATER)).job
    image = job.images[0]
    assert (image.tries, image.status, image.start_time) == (1, Status.PROCESSING, LATER)


def test_a_second_download_is_no_news():
    job = after(begin_fetch(an_accepted_job([a_url_image()]).job, 0, NOW)).job
    change = after(begin_fetch(job, 0, LATER))
    assert (change.job.images[0].tries, change.job.images[0].start_time, change.events) == (2, NOW, ())


def test_a_download_put_off_waits_until_then():
    change = after(fetch_later(an_accepted_job([a_url_image()]).job, 0, LATER))
    assert (change.job.images[0].not_before, change.events) == (LATER, ())


def test_a_download_put_off_is_not_begun_before():
    job = after(fetch_later(an_accepted_job([a_url_image()]).job, 0, LATER)).job
    assert begin_fetch(job, 0, NOW) is None
    assert after(begin_fetch(job, 0, LATER)).job.images[0].not_before is None


def test_a_fetched_image_waits_for_the_broker():
    original = an_image().original
    assert original is not None
    job = after(fetch_later(an_accepted_job([a_url_image()]).job, 0, LATER)).job
    image = after(fetched(job, 0, original)).job.images[0]
    assert (image.stage, image.original, image.not_before) == (Stage.PUBLISH, original, None)


def test_an_image_that_is_there_is_not_fetched():
    job = a_job(images=1)
    original = job.images[0].original
    assert original is not None
    assert begin_fetch(job, 0, NOW) is None
    assert fetch_later(job, 0, NOW) is None
    assert fetched(job, 0, original) is None


# Published


def test_the_first_publish_starts_the_image_and_its_job():
    change = publish(a_job(images=2), now=LATER)
    image = change.job.images[0]
    assert (image.status, image.start_time, image.published_at) == (Status.PROCESSING, LATER, LATER)
    assert (change.job.status, kinds(change)) == (Status.PROCESSING, [EventType.PROGRESS])


def test_a_confirm_of_an_older_attempt_or_a_second_one_changes_nothing():
    job = at_attempt(2)
    assert published(job, [attempt_of(job, 0, 1)], LATER) is None
    assert published(job, [attempt_of(job, 0, 2)], LATER) is None


def test_publishes_that_are_confirmed_together_are_one_change_and_one_news():
    job = a_job(images=3)
    change = after(published(job, [attempt_of(job, index) for index in range(3)], LATER))
    assert [image.published_at for image in change.job.images] == [LATER] * 3
    assert [image.status for image in change.job.images] == [Status.PROCESSING] * 3
    assert [event.type for event in change.events] == [EventType.PROGRESS]


def test_of_confirms_those_that_are_not_of_the_newest_attempts_count_for_nothing():
    job = a_job(images=2)
    change = after(published(job, [attempt_of(job, 0), attempt_of(job, 1, 2)], LATER))
    assert [image.published_at for image in change.job.images] == [LATER, None]


def test_a_publish_that_failed_is_taken_back_and_the_image_stays_begun():
    job = publish(a_job(images=2)).job
    change = after(unpublished(job, attempt_of(job)))
    image = change.job.images[0]
    assert (image.stage, image.status, image.attempt, image.published_at) == (
        Stage.PUBLISH,
        Status.PROCESSING,
        1,
        None,
    )
    assert kinds(change) == []


@pytest.mark.parametrize("number", [1, 3])
def test_a_publish_that_is_not_of_the_newest_attempt_is_not_taken_back(number: int):
    job = at_attempt(2)
    assert unpublished(job, attempt_of(job, 0, number)) is None


def test_an_image_that_ended_or_waits_for_its_publish_has_none_to_take_back():
    waiting = a_job()
    assert unpublished(waiting, attempt_of(waiting)) is None
    ended = after(completed(a_job(published=1))).job
    assert unpublished(ended, attempt_of(ended)) is None


# Cancelled


def test_a_cancel_ends_what_is_open_and_nothing_else():
    job = a_job(images=4, completed=1, failed=1, published=1)
    change = after(cancel(job, LATER))
    statuses = [image.status for image in change.job.images]
    assert statuses == [Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.CANCELLED]
    assert kinds(change) == [EventType.IMAGE_COMPLETE, EventType.IMAGE_COMPLETE, EventType.JOB_COMPLETE]


def test_a_cancelled_image_waits_for_no_moment_any_more():
    job = after(fetch_later(an_accepted_job([a_url_image()]).job, 0, LATER)).job
    assert after(cancel(job, NOW)).job.images[0].not_before is None


# Ended


@pytest.mark.parametrize(
    "end", [a_job(images=1, completed=1), a_job(images=1, failed=1), a_job(images=1, cancelled=True)]
)
def test_nothing_leads_out_of_a_final_state(end):
    original = end.images[0].original
    assert original is not None
    late = [completed(end), failed(end), rejected(end), fail(end, 0, a_failure(), LATER), cancel(end, LATER)]
    late += [published(end, [attempt_of(end)], LATER), begin_fetch(end, 0, LATER), fetched(end, 0, original)]
    late += [lost(end)]
    assert late == [None] * 9


# A clock that was set back


def test_nothing_ends_before_it_began_when_the_clock_goes_back():
    job = publish(a_job(images=1), now=LATER).job
    ended = after(attempt_completed(job, attempt_of(job), "a/b.jpg", None, NOW)).job
    assert ended.images[0].end_time == LATER
    assert ended.completed_at == ended.updated_at == LATER

"""How images end that are not analysed again: at accept, and once they are downloaded."""

from gateway.domain.events import Change, EventType
from gateway.domain.job import Counts, Outcome, Stage, Status
from gateway.domain.receipt import receipt_of
from gateway.domain.reuse import reused
from gateway.domain.transitions import begin_fetch, cancel, fetched, fetched_and_reused
from tests.builders import (
    NOW,
    a_refused_image,
    a_reused_image,
    a_url_image,
    after,
    an_accepted_job,
    an_analysed_image,
    an_image,
    an_original,
    complete,
    publish,
)
from tests.unit.domain.steps import LATER, kinds

ANALYSED, ORIGINAL = an_analysed_image(), an_original()


# An image


def test_a_reused_image_has_the_words_and_the_tagged_copy_of_the_one_that_it_names():
    image = reused(an_image(), ANALYSED, NOW)
    assert (image.processed_path, image.metadata) == (ANALYSED.processed_path, ANALYSED.metadata)
    assert image.reused_from == ANALYSED.image


def test_it_keeps_its_own_name_and_original():
    image = an_image(3)
    ended = reused(image, ANALYSED, NOW)
    assert (ended.index, ended.trace_id) == (3, image.trace_id)
    assert (ended.original_filename, ended.original) == (image.original_filename, image.original)


def test_it_is_completed_without_ever_having_been_in_work():
    image = a_reused_image()
    assert (image.status, image.stage) == (Status.COMPLETED, Stage.ENDED)
    assert (image.start_time, image.published_at, image.end_time) == (None, None, NOW)


# Accepted


def test_a_reused_image_ends_in_the_first_commit():
    change = an_accepted_job([an_image(0), a_reused_image(1)])
    assert kinds(change) == [EventType.PROGRESS, EventType.IMAGE_COMPLETE]
    assert change.events[1].image is change.job.images[1]
    assert [event.counts.completed for event in change.events] == [0, 1]


def test_a_job_of_reused_images_alone_is_completed_in_the_first_commit():
    change = an_accepted_job([a_reused_image(0), a_reused_image(1)])
    ends = [EventType.IMAGE_COMPLETE] * 2
    assert kinds(change) == [EventType.PROGRESS, *ends, EventType.JOB_COMPLETE]
    assert change.events[-1].counts == Counts(completed=2, failed=0, cancelled=0, open=0)
    assert (change.job.outcome, change.job.completed_at) == (Outcome.ALL_COMPLETED, NOW)
    assert receipt_of(change.job).status is Status.COMPLETED


def test_a_job_of_reused_and_refused_images_is_over_too():
    job = an_accepted_job([a_reused_image(0), a_refused_image(1)]).job
    assert (job.status, job.outcome) == (Status.COMPLETED, Outcome.PARTIAL)


def test_a_job_is_pending_until_one_of_its_other_images_begins():
    job = an_accepted_job([a_reused_image(0), an_image(1)]).job
    assert (job.status, job.started_at) == (Status.PENDING, None)
    job = publish(job, 1, now=LATER).job
    assert (job.status, job.started_at) == (Status.PROCESSING, LATER)
    assert complete(job, 1, now=LATER).job.status is Status.COMPLETED


def test_a_cancel_leaves_a_reused_image_completed():
    job = after(cancel(an_accepted_job([a_reused_image(0), an_image(1)]).job, LATER)).job
    assert [image.status for image in job.images] == [Status.COMPLETED, Status.CANCELLED]


# Downloaded


def downloaded(change: Change) -> Change | None:
    return fetched_and_reused(change.job, 0, ORIGINAL, ANALYSED, LATER)


def test_a_downloaded_image_ends_with_its_original():
    begun = after(begin_fetch(an_accepted_job([a_url_image(0), an_image(1)]).job, 0, NOW))
    change = after(downloaded(begun))
    image = change.job.images[0]
    assert (image.status, image.original, image.reused_from) == (Status.COMPLETED, ORIGINAL, ANALYSED.image)
    assert (image.start_time, image.end_time) == (NOW, LATER)
    assert kinds(change) == [EventType.IMAGE_COMPLETE]
    assert change.events[0].image is image


def test_the_last_one_ends_its_job():
    change = after(downloaded(after(begin_fetch(an_accepted_job([a_url_image()]).job, 0, NOW))))
    assert kinds(change) == [EventType.IMAGE_COMPLETE, EventType.JOB_COMPLETE]
    assert change.job.status is Status.COMPLETED


def test_an_image_never_ends_before_it_began_though_the_clock_was_set_back():
    begun = after(begin_fetch(an_accepted_job([a_url_image()]).job, 0, LATER))
    ended = after(fetched_and_reused(begun.job, 0, ORIGINAL, ANALYSED, NOW)).job.images[0]
    assert ended.end_time == ended.start_time == LATER


def test_an_image_that_is_downloaded_or_over_already_does_not_end_again():
    job = an_accepted_job([a_url_image()]).job
    assert downloaded(after(fetched(job, 0, ORIGINAL))) is None
    assert downloaded(after(cancel(job, NOW))) is None

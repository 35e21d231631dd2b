"""The fewest messages that lose nothing."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.events import Event, EventType
from gateway.events.pending import merged
from tests.builders import a_job, complete, publish

PROGRESS, IMAGE, END = EventType.PROGRESS, EventType.IMAGE_COMPLETE, EventType.JOB_COMPLETE

steps = st.lists(st.integers(0, 9), max_size=30)
"""Which image is published, or is completed if it was."""


def a_log(steps: Sequence[int]) -> list[Event]:
    job = a_job(10)
    log: list[Event] = []
    for index in steps:
        image = job.images[index]
        if not image.status.is_final:
            is_published = image.status == "processing"
            change = complete(job, index) if is_published else publish(job, index)
            job = change.job
            log += change.events
    return log


def test_nothing_is_merged_to_nothing():
    assert merged([]) == []


def test_progress_that_is_followed_by_anything_is_left_out():
    log = a_log([0, 1, 0])
    assert [event.type for event in log] == [PROGRESS, PROGRESS, IMAGE]
    assert merged(log) == log[-1:]


def test_progress_that_is_the_last_is_told():
    log = a_log([0, 1])
    assert merged(log) == log[-1:]


@given(steps)
def test_the_end_of_every_image_and_of_the_job_is_told_in_the_order_of_the_log(steps):
    log = a_log(steps)
    ends = [event for event in log if event.type is not PROGRESS]
    assert [event for event in merged(log) if event.type is not PROGRESS] == ends


@given(steps)
def test_the_last_message_is_the_last_event_so_that_its_id_is_the_position(steps):
    log = a_log(steps)
    assert merged(log)[-1:] == log[-1:]


@given(steps)
def test_what_was_merged_is_not_merged_further(steps):
    once = merged(a_log(steps))
    assert merged(once) == once


@given(steps)
def test_there_is_one_message_for_each_image_and_the_job_at_most(steps):
    told = merged(a_log(steps))
    images = [event.image.index for event in told if event.image]
    assert len(images) == len(set(images))
    assert len(told) <= len(images) + 2

"""How a job changes: each rule by itself, then all of them in any order."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.domain.attempt import AttemptName
from gateway.domain.events import Change, Event, EventType
from gateway.domain.job import Image, Job, Outcome, Stage, Status, outcome_of
from gateway.domain.transitions import (
    AttemptEnd,
    AttemptPolicy,
    attempt_completed,
    attempt_lost,
    attempt_refused,
    attempt_rejected,
    attempts_ended,
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
    attempt_failed,
    attempt_of,
    publish,
    some_metadata,
)

LATER = NOW + timedelta(minutes=5)
POLICY = AttemptPolicy(max_attempts=3, pause_s=2.0)


def kinds(change: Change) -> list[EventType]:
    return [event.type for event in change.events]


def completed(job: Job, number: int = 1, index: int = 0) -> Change | None:
    return attempt_completed(job, attempt_of(job, index, number), "a/b.jpg", some_metadata(), LATER)


def failed(job: Job, number: int = 1, index: int = 0) -> Change | None:
    return attempt_failed(job, attempt_of(job, index, number), a_failure(), LATER)


def rejected(job: Job, number: int = 1, index: int = 0) -> Change | None:
    return attempt_rejected(job, attempt_of(job, index, number), a_failure(), POLICY, LATER)


def refused(job: Job, number: int = 1, index: int = 0) -> Change | None:
    return attempt_refused(job, attempt_of(job, index, number), a_failure("analysis_refused"), LATER)


def lost(job: Job, number: int = 1, index: int = 0) -> Change | None:
    return attempt_lost(job, attempt_of(job, index, number), a_failure("no_result"), POLICY, LATER)


def at_attempt(number: int) -> Job:
    """A job of two whose first image was rejected until this attempt, which is in the broker."""
    job = a_job(images=2, published=1)
    for earlier in range(1, number):
        job = publish(after(rejected(job, earlier)).job).job
    return job


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


# Results


def test_a_result_may_overtake_its_confirm():
    job = after(completed(a_job(images=2))).job
    image = job.images[0]
    assert (image.status, image.start_time, image.end_time) == (Status.COMPLETED, LATER, LATER)
    assert published(job, [attempt_of(job)], LATER) is None


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
    change, counted = attempts_ended(job, ends)
    assert counted == [False, True, False, True, False, True]
    assert change is not None
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
    assert attempts_ended(job, ends_of(job, (0, 1, False), (0, 1, True))) == (None, [False, False])
    assert attempts_ended(job, []) == (None, [])


def test_a_result_of_an_unknown_image_changes_nothing():
    job = a_job(images=1)
    stranger = attempt_of(a_job(images=1))
    assert attempt_completed(job, stranger, "a", None, NOW) is None
    assert attempt_failed(job, stranger, a_failure(), NOW) is None
    assert attempt_rejected(job, stranger, a_failure(), POLICY, NOW) is None
    assert attempt_lost(job, stranger, a_failure(), POLICY, NOW) is None
    assert published(job, [stranger], NOW) is None


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


# A clock that was set back


def test_nothing_ends_before_it_began_when_the_clock_goes_back():
    job = publish(a_job(images=1), now=LATER).job
    ended = after(attempt_completed(job, attempt_of(job), "a/b.jpg", None, NOW)).job
    assert ended.images[0].end_time == LATER
    assert ended.completed_at == ended.updated_at == LATER


# Any order

Step = Callable[[Job], Change | None]


def the_end(job: Job, steps: list[Step]) -> list[tuple[object, ...]]:
    for step in steps:
        change = step(job)
        job = job if change is None else change.job
    return [(image.status, image.processed_path, image.failure) for image in job.images]


@given(st.data())
def test_results_in_any_order_and_repeated_come_to_the_same_end(data):
    """One attempt each, of every image, with its confirm before or after its result."""
    job = a_job(images=data.draw(st.integers(1, 6)))
    outcomes = data.draw(st.tuples(*(st.sampled_from([completed, failed]) for _ in job.images)))
    results: list[Step] = [
        partial(outcome, index=image.index) for outcome, image in zip(outcomes, job.images, strict=True)
    ]
    confirms: list[Step] = [
        partial(published, names=[AttemptName(image.trace_id, 1)], now=NOW) for image in job.images
    ]
    repeated = data.draw(st.lists(st.sampled_from(results + confirms), max_size=10))
    steps = data.draw(st.permutations(results + confirms + repeated))
    assert the_end(job, steps) == the_end(job, results)


class JobLife(RuleBasedStateMachine):
    """Everything that can happen to a job, in any order, with a clock that now and then goes back."""

    def __init__(self) -> None:
        super().__init__()
        self.job = a_job(images=1)
        self.log: list[Event] = []
        self.ended: dict[int, Image] = {}
        self.now = NOW

    @initialize(
        kinds=st.lists(st.sampled_from([an_image, a_url_image, a_refused_image]), min_size=1, max_size=5)
    )
    def accept(self, kinds: list[Callable[[int], Image]]) -> None:
        change = an_accepted_job([make(index) for index, make in enumerate(kinds)])
        self.job = change.job
        self.log = list(change.events)

    @rule(data=st.data())
    def a_download_begins(self, data: st.DataObject) -> None:
        image = self.any_image(data)
        self.commit(begin_fetch(self.job, image.index, self.now), expected=image.stage is Stage.FETCH)

    @rule(data=st.data())
    def a_download_is_put_off(self, data: st.DataObject) -> None:
        image = self.any_image(data)
        self.commit(fetch_later(self.job, image.index, self.now), expected=image.stage is Stage.FETCH)

    @rule(data=st.data())
    def a_download_succeeds(self, data: st.DataObject) -> None:
        image = self.any_image(data)
        original = an_image().original
        assert original is not None
        self.commit(fetched(self.job, image.index, original), expected=image.stage is Stage.FETCH)

    @rule(data=st.data())
    def an_attempt_is_confirmed(self, data: st.DataObject) -> None:
        image, name = self.any_attempt(data)
        legal = image.stage is Stage.PUBLISH and name.number == image.attempt
        self.commit(published(self.job, [name], self.now), expected=legal)

    @rule(data=st.data())
    def an_attempt_completes(self, data: st.DataObject) -> None:
        image, name = self.any_attempt(data)
        change = attempt_completed(self.job, name, str(name), None, self.now)
        self.commit(change, expected=is_decided_by_results(image))
        if change is not None:
            won = change.job.images[image.index]
            assert (won.status, won.processed_path) == (Status.COMPLETED, str(name))

    @rule(data=st.data())
    def an_attempt_fails(self, data: st.DataObject) -> None:
        image, name = self.any_attempt(data)
        legal = is_decided_by_results(image) and name.number == image.attempt
        self.commit(attempt_failed(self.job, name, a_failure(), self.now), expected=legal)
        assert not legal or self.job.images[image.index].status is Status.FAILED

    @rule(data=st.data())
    def results_come_together(self, data: st.DataObject) -> None:
        """Of as many images as you like, some of them twice."""
        images = [self.any_image(data) for _ in range(data.draw(st.integers(1, 5)))]
        good = [data.draw(st.booleans()) for _ in images]
        names = [AttemptName(image.trace_id, image.attempt) for image in images]
        ends = [
            AttemptEnd(name, self.now, processed_path=str(name))
            if is_good
            else AttemptEnd(name, self.now, failure=a_failure())
            for name, is_good in zip(names, good, strict=True)
        ]
        change, counted = attempts_ended(self.job, ends)
        first = [name not in names[:at] for at, name in enumerate(names)]
        legal = [
            is_first and is_decided_by_results(image) for is_first, image in zip(first, images, strict=True)
        ]
        assert counted == legal
        self.commit(change, expected=any(legal))

    @rule(data=st.data())
    def an_attempt_is_dead_lettered(self, data: st.DataObject) -> None:
        image, name = self.any_attempt(data)
        legal = is_decided_by_results(image) and name.number == image.attempt
        self.commit(attempt_rejected(self.job, name, a_failure(), POLICY, self.now), expected=legal)
        if legal:
            left = self.job.images[image.index]
            used_up = image.attempt == POLICY.max_attempts
            assert (left.stage is Stage.ENDED) == used_up
            assert left.attempt == (image.attempt if used_up else image.attempt + 1)

    @rule(data=st.data())
    def an_attempt_is_lost(self, data: st.DataObject) -> None:
        image, name = self.any_attempt(data)
        legal = image.stage is Stage.RESULT and name.number == image.attempt
        change = attempt_lost(self.job, name, a_failure("no_result"), POLICY, self.now)
        self.commit(change, expected=legal)
        if legal:
            left = self.job.images[image.index]
            used_up = image.attempt == POLICY.max_attempts
            assert left.stage is (Stage.ENDED if used_up else Stage.PUBLISH)
            assert left.attempt == (image.attempt if used_up else image.attempt + 1)

    @rule(data=st.data())
    def an_image_cannot_go_on(self, data: st.DataObject) -> None:
        image = self.any_image(data)
        change = fail(self.job, image.index, a_failure("storage_failed"), self.now)
        self.commit(change, expected=image.stage is not Stage.ENDED)

    @precondition(lambda self: len(self.log) > 2)
    @rule(data=st.data())
    def the_job_is_cancelled(self, data: st.DataObject) -> None:
        self.time_goes_by(data)
        was_open = self.job.counts.open > 0
        self.commit(cancel(self.job, self.now), expected=was_open)
        assert not was_open or self.job.status is Status.CANCELLED

    @invariant()
    def counts_add_up(self) -> None:
        counts, statuses = self.job.counts, [image.status for image in self.job.images]
        assert counts.total == len(statuses)
        assert counts.completed == statuses.count(Status.COMPLETED)
        assert counts.failed == statuses.count(Status.FAILED)
        assert counts.cancelled == statuses.count(Status.CANCELLED)
        assert (counts.progress == 100.0) == (counts.open == 0) == self.job.status.is_final

    @invariant()
    def nothing_leaves_a_final_state(self) -> None:
        for index, image in self.ended.items():
            assert self.job.images[index] == image
        self.ended = {image.index: image for image in self.job.images if image.status.is_final}

    @invariant()
    def the_log_has_no_gaps_and_tells_each_end_once(self) -> None:
        assert [event.seq for event in self.log] == list(range(1, self.job.seq + 1))
        told = [event.image for event in self.log if event.type is EventType.IMAGE_COMPLETE]
        indices = [image.index for image in told if image is not None]
        assert sorted(indices) == sorted(self.ended)
        assert all(image == self.job.images[image.index] for image in told if image is not None)

    @invariant()
    def each_event_counts_the_ends_that_were_told_with_it_and_before(self) -> None:
        ends: list[Status] = []
        for event in self.log:
            ends += [event.image.status] if event.image is not None else []
            assert event.counts.total == len(self.job.images)
            assert (event.counts.completed, event.counts.failed, event.counts.cancelled) == (
                ends.count(Status.COMPLETED),
                ends.count(Status.FAILED),
                ends.count(Status.CANCELLED),
            )

    @invariant()
    def the_jobs_end_is_the_last_event(self) -> None:
        over = [event.type is EventType.JOB_COMPLETE for event in self.log]
        assert over.count(True) == (1 if self.job.status.is_final else 0)
        assert True not in over[:-1]
        assert (self.job.completed_at is not None) == self.job.status.is_final

    @invariant()
    def the_last_event_tells_the_jobs_state(self) -> None:
        assert (self.log[-1].counts, self.log[-1].status) == (self.job.counts, self.job.status)

    @invariant()
    def times_are_in_order(self) -> None:
        assert [event.at for event in self.log] == sorted(event.at for event in self.log)
        assert self.job.created_at <= self.job.updated_at
        assert self.job.completed_at in (None, self.job.updated_at)
        for image in self.job.images:
            assert image.start_time is None or image.end_time is None or image.start_time <= image.end_time
            assert (image.end_time is not None) == image.status.is_final

    @invariant()
    def each_state_of_the_job_has_its_time(self) -> None:
        starts = [image.start_time for image in self.job.images if image.start_time is not None]
        assert self.job.started_at == min(starts, default=None)
        assert self.job.status is not Status.PENDING or self.job.started_at is None
        assert self.job.status is not Status.PROCESSING or self.job.started_at is not None
        assert (self.job.cancelled_at is not None) == (self.job.status is Status.CANCELLED)

    @invariant()
    def an_ended_job_has_the_outcome_that_its_last_event_tells(self) -> None:
        if not self.job.status.is_final:
            assert self.job.outcome is None
            return
        states = {image.status for image in self.job.images}
        expected = {
            frozenset({Status.COMPLETED}): Outcome.ALL_COMPLETED,
            frozenset({Status.FAILED}): Outcome.ALL_FAILED,
            frozenset({Status.COMPLETED, Status.FAILED}): Outcome.PARTIAL,
        }
        assert self.job.outcome is expected.get(frozenset(states), Outcome.CANCELLED)
        assert self.job.outcome is outcome_of(self.log[-1].status, self.log[-1].counts)

    @invariant()
    def an_image_is_processing_from_its_start(self) -> None:
        for image in self.job.images:
            assert image.status.is_final or (image.status is Status.PROCESSING) == (
                image.start_time is not None
            )
            assert (image.failure is not None) == (image.status is Status.FAILED)
            assert not image.status.is_final or image.not_before is None

    def time_goes_by(self, data: st.DataObject) -> None:
        self.now += timedelta(seconds=data.draw(st.integers(-2, 3)))

    def any_image(self, data: st.DataObject) -> Image:
        self.time_goes_by(data)
        return data.draw(st.sampled_from(self.job.images))

    def any_attempt(self, data: st.DataObject) -> tuple[Image, AttemptName]:
        """Of an attempt that was made."""
        image = self.any_image(data)
        return image, AttemptName(image.trace_id, data.draw(st.integers(1, image.attempt)))

    def commit(self, change: Change | None, *, expected: bool) -> None:
        assert (change is not None) == expected
        if change is not None:
            self.job = change.job
            self.log += change.events


def is_decided_by_results(image: Image) -> bool:
    return image.stage in (Stage.PUBLISH, Stage.RESULT)


JobLife.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestAnyLifeOfAJob = JobLife.TestCase

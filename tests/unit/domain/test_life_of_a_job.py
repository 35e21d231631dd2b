"""All that can happen to a job, in any order."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.domain.attempt import AttemptName
from gateway.domain.events import Change, Event, EventType
from gateway.domain.job import Image, Job, Outcome, Stage, Status, outcome_of
from gateway.domain.transitions import (
    AttemptEnd,
    attempt_completed,
    attempt_lost,
    attempt_rejected,
    attempts_ended,
    begin_fetch,
    cancel,
    fail,
    fetch_later,
    fetched,
    fetched_and_reused,
    published,
)
from tests.builders import (
    NOW,
    a_failure,
    a_job,
    a_refused_image,
    a_reused_image,
    a_url_image,
    an_accepted_job,
    an_analysed_image,
    an_image,
    an_original,
    attempt_failed,
)
from tests.unit.domain.steps import POLICY, completed, failed

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
        kinds=st.lists(
            st.sampled_from([an_image, a_url_image, a_refused_image, a_reused_image]), min_size=1, max_size=5
        )
    )
    def accept(self, kinds: list[Callable[[int], Image]]) -> None:
        change = an_accepted_job([make(index) for index, make in enumerate(kinds)])
        self.job = change.job
        self.log = list(change.events)

    @rule(data=st.data())
    def a_download_begins(self, data: st.DataObject) -> None:
        image = self.any_image(data)
        due = image.not_before is None or image.not_before <= self.now
        legal = image.stage is Stage.FETCH and due
        self.commit(begin_fetch(self.job, image.index, self.now), expected=legal)

    @rule(data=st.data())
    def a_download_is_put_off(self, data: st.DataObject) -> None:
        image = self.any_image(data)
        self.commit(fetch_later(self.job, image.index, self.now), expected=image.stage is Stage.FETCH)

    @rule(data=st.data())
    def a_download_succeeds(self, data: st.DataObject) -> None:
        image = self.any_image(data)
        change = fetched(self.job, image.index, an_original())
        self.commit(change, expected=image.stage is Stage.FETCH)

    @rule(data=st.data())
    def a_download_brings_what_was_analysed_before(self, data: st.DataObject) -> None:
        image = self.any_image(data)
        change = fetched_and_reused(self.job, image.index, an_original(), an_analysed_image(), self.now)
        self.commit(change, expected=image.stage is Stage.FETCH)

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
        change, ended = attempts_ended(self.job, ends)
        first = [name not in names[:at] for at, name in enumerate(names)]
        legal = [
            is_first and is_decided_by_results(image) for is_first, image in zip(first, images, strict=True)
        ]
        assert [image is not None for image in ended] == legal
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

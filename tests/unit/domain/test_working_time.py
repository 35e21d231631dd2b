"""Working time: what counts by itself, then any looks against a model that counts seconds one by one."""

import pickle
from collections.abc import Iterable
from datetime import datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.working_time import WorkingTime
from tests.builders import NOW

LONGEST_STEP_S = 5
KEPT_S = 20


def at(second: float) -> datetime:
    return NOW + timedelta(seconds=second)


def looked_at(looks: Iterable[tuple[float, bool]]) -> WorkingTime:
    """After looks at these seconds."""
    time = WorkingTime(longest_step_s=LONGEST_STEP_S, kept_s=KEPT_S)
    for second, is_working in looks:
        time.advance(at(second), is_working)
    return time


def test_nothing_is_known_before_the_first_look_and_at_it():
    assert looked_at([]).moment_before(1) is None
    assert looked_at([(0, True)]).moment_before(1) is None


def test_time_at_work_counts_back_from_the_last_look():
    time = looked_at([(0, True), (4, True), (8, True)])
    assert time.moment_before(3) == at(5)
    assert time.moment_before(8) == at(0)
    assert time.moment_before(8.001) is None


def test_time_that_did_not_work_is_stepped_over():
    time = looked_at([(0, True), (4, True), (5, False), (9, False), (10, True), (12, True)])
    assert time.moment_before(2) == at(10)
    assert time.moment_before(3) == at(3)


def test_a_step_counts_only_when_both_its_ends_were_at_work():
    assert looked_at([(0, False), (4, True)]).moment_before(0.001) is None
    assert looked_at([(0, True), (4, False)]).moment_before(0.001) is None


def test_a_long_pause_between_looks_counts_as_the_longest_step():
    time = looked_at([(0, True), (3600, True)])
    assert time.moment_before(LONGEST_STEP_S) == at(0)
    assert time.moment_before(LONGEST_STEP_S + 0.001) is None


def test_what_began_in_a_pause_gets_all_of_its_time():
    """Nobody knows when in the pause the work was done, so the benefit is with who came in it."""
    time = looked_at([(0, True), (3600, True), (3604, True)])
    moment = time.moment_before(4)
    assert moment == at(3600)


def test_moments_that_come_a_second_time_when_the_clock_is_set_back_count_once():
    time = looked_at([(0, True), (4, True), (2, True), (4, True)])
    assert time.moment_before(4) == at(0)
    assert time.moment_before(4.001) is None


def test_memory_is_bounded_by_what_is_asked_for():
    few, many = (looked_at((n, n % 3 != 2) for n in range(looks)) for looks in (100, 10_000))
    assert many.moment_before(KEPT_S) is not None
    assert len(pickle.dumps(many)) < 1.1 * len(pickle.dumps(few))


steps = st.lists(st.tuples(st.integers(-8, 12), st.booleans()), max_size=60)


@given(steps)
@example([(0, True), (3, True), (-2, True), (9, True)])
@example([(0, True), (6, True), (5, True), (5, True), (5, True), (5, True), (-1, False)])
def test_any_looks_agree_with_a_count_of_single_seconds(steps):
    time = WorkingTime(longest_step_s=LONGEST_STEP_S, kept_s=KEPT_S)
    worked: set[int] = set()
    now, was_working, is_first, set_back = 0, False, True, 0
    for step, is_working in steps:
        now += step
        time.advance(at(now), is_working)
        if step < 0 and not is_first:
            worked = {second for second in worked if second < now}
            set_back -= step
        elif is_working and was_working and not is_first:
            worked |= set(range(now - step, now - step + min(step, LONGEST_STEP_S)))
        was_working, is_first = is_working, False
    newest_first = sorted(worked, reverse=True)
    for seconds in range(1, KEPT_S + 1):
        expected = at(newest_first[seconds - 1]) if seconds <= len(newest_first) else None
        moment = time.moment_before(seconds)
        is_forgotten = moment is None and seconds > KEPT_S - set_back
        assert is_forgotten or moment == expected

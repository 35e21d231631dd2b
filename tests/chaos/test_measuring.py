"""The harness' own arithmetic: stalls, rows that add up, shares, dice."""

from pathlib import Path
from typing import Any

from attrs import define

from tests.chaos.fault import all_faults, dice_of, shared_out
from tests.chaos.report import Measured, added, read_rows, write_rows
from tests.chaos.stalls import Stalls


@define
class Watch:
    """A clock that stands until it is moved."""

    now: float = 0

    def __call__(self) -> float:
        return self.now


def stalls_on(watch: Watch) -> Stalls:
    return Stalls(now=watch)


def test_a_stall_is_the_longest_time_in_which_nothing_ended() -> None:
    watch = Watch()
    stalls = stalls_on(watch)
    stalls.accepted(3)
    for watch.now in (1, 4, 5):
        stalls.ended()
    assert stalls.longest_s == 3


def test_without_open_work_nothing_stalls() -> None:
    watch = Watch()
    stalls = stalls_on(watch)
    stalls.accepted(1)
    stalls.ended()
    watch.now = 100
    stalls.accepted(1)
    watch.now = 102
    stalls.ended()
    assert stalls.longest_s == 2


def test_while_a_part_is_down_nothing_stalls() -> None:
    watch = Watch()
    stalls = stalls_on(watch)
    stalls.accepted(1)
    watch.now = 1
    with stalls.broken():
        watch.now = 50
    watch.now = 52
    stalls.ended()
    assert stalls.longest_s == 2


def test_what_ends_or_is_accepted_while_a_part_is_down_begins_no_stall() -> None:
    watch = Watch()
    stalls = stalls_on(watch)
    stalls.accepted(2)
    with stalls.broken():
        stalls.ended()
        stalls.accepted(1)
        watch.now = 50
        stalls.ended()
    assert stalls.longest_s == 0


def test_a_stall_that_never_ended_counts() -> None:
    watch = Watch()
    stalls = stalls_on(watch)
    stalls.accepted(1)
    watch.now = 7
    assert stalls.up_to_now() == 7


def test_runs_of_one_commit_add_up() -> None:
    once = Measured(times=5, accepted=40, lost=1, twice=0, left_over=2, longest_stall_s=1.5)
    again = Measured(times=3, accepted=20, lost=0, twice=1, left_over=0, longest_stall_s=0.5)
    rows = added(added([], "f", once, "abc"), "f", again, "abc")
    assert rows == [a_row(times=8, accepted=60, lost=1, twice=1, left_over=2, longest_stall_s=1.5)]


def test_a_run_of_another_commit_takes_the_place_of_what_was_there() -> None:
    rows = added([a_row(times=5, commit="abc")], "f", Measured(times=2), "def")
    assert rows == [a_row(times=2, commit="def")]


def test_rows_of_other_faults_stay() -> None:
    rows = added([a_row(fault="g", times=5)], "f", Measured(times=2), "def")
    assert [(row["fault"], row["times"]) for row in rows] == [("f", 2), ("g", 5)]


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_rows([a_row(times=5)], tmp_path / "build" / "chaos.json")
    assert read_rows(tmp_path / "build" / "chaos.json") == [a_row(times=5)]


def test_before_the_first_run_there_are_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "chaos.json") == []


def test_a_violation_that_no_figure_tells_of_can_not_be_counted() -> None:
    assert Measured(lost=1, violations=("lost: one",)).is_countable
    assert not Measured(violations=("wrong: the counts",)).is_countable


def test_strikes_are_shared_out_evenly() -> None:
    assert shared_out(200, among=2, at_most=50) == [50, 50, 50, 50]
    assert shared_out(3, among=2, at_most=25) == [2, 1]
    assert shared_out(1, among=2, at_most=25) == [1]
    assert shared_out(101, among=2, at_most=50) == [26, 25, 25, 25]


def test_the_same_seed_throws_the_same_dice_for_each_fault() -> None:
    one, other = all_faults()[:2]
    assert dice_of(7, one).random() == dice_of(7, one).random()
    assert dice_of(7, one).random() != dice_of(7, other).random()
    assert dice_of(7, one).random() != dice_of(8, one).random()


def a_row(**fields: Any) -> dict[str, Any]:
    row = {"fault": "f", "times": 0, "accepted": 0, "lost": 0, "twice": 0, "left_over": 0}
    return row | {"longest_stall_s": 0.0, "commit": "abc"} | fields

"""tests.benchmarks: what a row of the table promises."""

import json

import pytest
from click.testing import CliRunner

from tests.benchmarks.__main__ import main
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.row import Row, at_least, at_most


@pytest.mark.parametrize(
    ("goal", "value", "reference", "holds"),
    [
        (at_least(0.92), 92, 100, True),
        (at_least(0.92), 91, 100, False),
        (at_most(1.5), 150, 100, True),
        (at_most(1.5), 151, 100, False),
        (at_most(100), 100, None, True),
        (at_most(100), 101, None, False),
    ],
)
def test_a_goal_is_on_the_ratio_or_without_reference_on_the_value(goal, value, reference, holds):
    assert Row(name="it", value=value, unit="MB", reference=reference, goal=goal).holds is holds


def test_a_row_is_written_with_its_goal_in_words():
    row = Row(name="idle", value=78.5, unit="MB", goal=at_most(100))
    written = json.loads(json.dumps(row.as_json()))
    assert written == {
        "name": "idle", "value": 78.5, "unit": "MB", "reference": None, "compared_with": "", "ratio": None,
        "goal": "<= 100 MB", "holds": True,
    }  # fmt: skip


async def test_sides_are_measured_by_turns_and_the_warm_up_does_not_count():
    turns: list[str] = []

    async def ours() -> float:
        turns.append("ours")
        return 99.0 if len(turns) == 1 else 1.0

    async def reference() -> float:
        turns.append("reference")
        return 2.0

    assert await interleaved(ours, reference, rounds=1) == (1.0, 2.0)
    assert turns == ["ours", "reference", "ours", "reference"]


def test_a_benchmark_that_does_not_exist_is_refused_by_name():
    ended = CliRunner().invoke(main, ["--only", "nonesuch"])
    assert (ended.exit_code, "--only" in ended.output) == (2, True)

"""What runs measured, and build/chaos.json, where they add up.

The file holds one row a fault: {fault, times, accepted, lost, twice, left_over, longest_stall_s, commit}. Rows of the
same commit add up; one of another commit takes the place of what was there.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, frozen
from rich.table import Table

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "build" / "chaos.json"

Row = Mapping[str, Any]


@frozen
class Measured:
    """What came of a fault that struck `times` times; images are counted, and of left_over what lies there."""

    times: int = 0
    accepted: int = 0
    """Images of 201s."""
    lost: int = 0
    """Images without a final state, or without what it says there is."""
    twice: int = 0
    """Ends that were told twice, requests that became two jobs."""
    left_over: int = 0
    """Objects and jobs of nobody."""
    longest_stall_s: float = 0.0
    """The longest time in which work was open, all parts were up, and no image ended."""
    violations: tuple[str, ...] = ()
    """Of the invariants, all of them, each in words."""

    @property
    def is_countable(self) -> bool:
        """Whether the figures say all that was violated."""
        return not any(violation.startswith("wrong") for violation in self.violations)

    def __add__(self, other: "Measured") -> "Measured":
        return Measured(
            self.times + other.times,
            self.accepted + other.accepted,
            self.lost + other.lost,
            self.twice + other.twice,
            self.left_over + other.left_over,
            max(self.longest_stall_s, other.longest_stall_s),
            self.violations + other.violations,
        )

    def row(self, fault: str, commit: str) -> Row:
        figures = asdict(self, filter=lambda attribute, _: attribute.name != "violations")
        return {"fault": fault, **figures, "commit": commit}


def added(rows: Sequence[Row], fault: str, measured: Measured, commit: str) -> list[Row]:
    """The rows with one more run in them, ordered by fault."""
    others = [row for row in rows if row["fault"] != fault]
    for row in rows:
        if (row["fault"], row["commit"]) == (fault, commit):
            known = {name: value for name, value in row.items() if name not in ("fault", "commit")}
            measured = Measured(**known) + measured
    return sorted([*others, measured.row(fault, commit)], key=lambda row: str(row["fault"]))


def read_rows(path: Path = RESULT) -> list[Row]:
    return list(json.loads(path.read_text())) if path.exists() else []


def write_rows(rows: Sequence[Row], path: Path = RESULT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2) + "\n")


def commit_id() -> str:
    """Of what is checked out, with a + behind it when files of the gateway differ from it."""
    changes = _git("status", "--porcelain", "--", "gateway")
    return _git("rev-parse", "--short=12", "HEAD") + ("+" if changes else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def table_of(rows: Sequence[Row]) -> Table:
    columns = ("fault", "times", "accepted", "lost", "twice", "left_over", "longest_stall_s", "commit")
    table = Table(*columns)
    for row in rows:
        table.add_row(
            *(f"{row[name]:.1f}" if name == "longest_stall_s" else str(row[name]) for name in columns)
        )
    return table

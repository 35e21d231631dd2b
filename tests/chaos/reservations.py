"""What a gateway that has stopped still holds reserved: read in its file, for nothing outside tells of it."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from attrs import evolve

from tests.chaos.report import Measured
from tests.chaos.world import World

CLEAN_S = 5
"""So long after they are due, reservations may still wait for the cleaner."""


async def with_reservations(world: World, measured: Measured, *, late_s: float = 0) -> Measured:
    """What was measured, with the reservations that a clean stop leaves. Call it last: the gateway has stopped.

    What was sent to the store may arrive for `late_s`: reservations that are due within it may be of a request whose
    put is still under way.
    """
    ended = await world.gateway.stop()
    due = reservations_in(world.gateway.data_dir / "jobs.sqlite", late_s=late_s)
    left = len(due)
    violations = [f"left over: {left} reservations after a stop, due in {_shown(due)}"] if left else []
    if ended.code != 0:
        violations.append(f"wrong: the gateway ended with {ended.code}")
    return evolve(
        measured,
        left_over=measured.left_over + left,
        violations=(*measured.violations, *violations),
    )


def reservations_in(job_store: Path, *, late_s: float = 0) -> list[float]:
    """In how many seconds each is due: all of them, or but for those that are due within `late_s`."""
    spared = (_microseconds(-CLEAN_S), _microseconds(late_s)) if late_s else (-1, -1)
    with closing(sqlite3.connect(job_store)) as jobs:
        query = "SELECT deadline FROM reservations WHERE deadline NOT BETWEEN ? AND ? ORDER BY deadline"
        deadlines = jobs.execute(query, spared).fetchall()
    return [deadline / 1_000_000 - time.time() for (deadline,) in deadlines]


def _shown(due: list[float]) -> str:
    return f"{due[0]:.1f} to {due[-1]:.1f} s"


def _microseconds(from_now_s: float) -> int:
    return int((time.time() + from_now_s) * 1_000_000)

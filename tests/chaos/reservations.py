"""What a gateway that has stopped still holds reserved: read in its file, for nothing outside tells of it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from attrs import evolve

from tests.chaos.report import Measured
from tests.chaos.world import World


async def with_reservations(world: World, measured: Measured) -> Measured:
    """What was measured, with the reservations that a clean stop leaves. Call it last: the gateway has stopped."""
    ended = await world.gateway.stop()
    left = reservations_in(world.gateway.data_dir / "jobs.sqlite")
    violations = [f"left over: {left} reservations after a stop"] if left else []
    if ended.code != 0:
        violations.append(f"wrong: the gateway ended with {ended.code}")
    return evolve(
        measured,
        left_over=measured.left_over + left,
        violations=(*measured.violations, *violations),
    )


def reservations_in(job_store: Path) -> int:
    with closing(sqlite3.connect(job_store)) as jobs:
        (count,) = jobs.execute("SELECT count(*) FROM reservations").fetchone()
    return int(count)

"""What a gateway that has stopped still holds reserved, and that the next start ends it: read in its file, for nothing
outside tells of it.

A stop may leave reservations of two kinds. Of a request that was refused shortly before, puts may still arrive: they
are due once that is over. And leftovers that the cleaner was about to remove are claimed, where the store was too slow
for what a stop gives it. What lies there, a start removes at once; reservations go once nothing can arrive any more.
"""

import asyncio
import sqlite3
import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from attrs import evolve, frozen

from tests.chaos.report import Measured
from tests.chaos.world import World
from tests.patience import PATIENCE_S

CLEAN_S = 15
"""So long after they are due, reservations may still wait for the cleaner, which may have met trouble before."""


@frozen
class Reservation:
    """As it stands; what is claimed is due no more."""

    trace_id: str
    due_s: float
    is_claimed: bool

    def is_sound(self, late_s: float) -> bool:
        """Whether a stop may leave it, where what was sent to the store may arrive for `late_s`."""
        return self.is_claimed or (late_s > 0 and -CLEAN_S <= self.due_s <= late_s)


async def with_reservations(
    world: World, measured: Measured, *, late_s: float = 0, patience_s: float = PATIENCE_S
) -> Measured:
    """What was measured, with the reservations that an orderly stop may not leave, and those that the next start does
    not remove within `patience_s`. Call it last: the gateway has stopped.
    """
    endings = [await world.gateway.stop()]
    left = reservations_in(_file_of(world))
    unsound = [each for each in left if not each.is_sound(late_s)]
    violations = [f"left over: {_shown(unsound)} after a stop"] if unsound else []
    kept: list[str] = []
    if left:
        kept = await _kept_by_a_start(world, {each.trace_id for each in left}, late_s, patience_s)
        violations += [f"left over: {what} after the start that follows" for what in kept]
        endings.append(await world.gateway.stop())
    violations += [f"wrong: the gateway ended with {ended.code}" for ended in endings if ended.code != 0]
    return evolve(
        measured,
        left_over=measured.left_over + len(unsound) + len(kept),
        violations=(*measured.violations, *violations),
    )


def reservations_in(job_store: Path) -> list[Reservation]:
    """All of them, the most overdue first."""
    with closing(sqlite3.connect(job_store)) as jobs:
        rows = jobs.execute("SELECT trace_id, deadline FROM reservations ORDER BY deadline").fetchall()
    now = time.time()
    return [
        Reservation(trace_id, deadline / 1_000_000 - now, is_claimed=deadline == 0)
        for trace_id, deadline in rows
    ]


async def _kept_by_a_start(
    world: World, trace_ids: Collection[str], late_s: float, patience_s: float
) -> list[str]:
    """What of them it does not remove: objects, and reservations but where something may still arrive."""
    await world.gateway.start()
    give_up_at = time.monotonic() + patience_s
    while (kept := await _kept(world, trace_ids, late_s)) and time.monotonic() < give_up_at:
        await asyncio.sleep(0.1)
    return kept


async def _kept(world: World, trace_ids: Collection[str], late_s: float) -> list[str]:
    standing = [
        each.trace_id
        for each in reservations_in(_file_of(world))
        if each.trace_id in trace_ids and (each.is_claimed or not each.is_sound(late_s))
    ]
    originals = (await world.objects())["original"]
    lying = [key for key in sorted(originals) if key.partition("/")[0] in trace_ids]
    return [*(f"the reservation {trace_id}" for trace_id in standing), *lying]


def _file_of(world: World) -> Path:
    return world.gateway.data_dir / "jobs.sqlite"


def _shown(reservations: Collection[Reservation]) -> str:
    due = ", ".join(f"{each.due_s:.1f}" for each in reservations)
    return f"{len(reservations)} reservations, due in {due} s"

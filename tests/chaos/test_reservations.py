"""That reservations that nobody gave back are found."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.adapters.job_store.sqlite import SqliteJobStore
from tests.builders import NOW
from tests.chaos.reservations import reservations_in


async def test_reservations_that_stand_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    async with SqliteJobStore.open(path) as jobs:
        await jobs.reserve(["one", "two"], deadline=NOW)
        await jobs.release(["two"])
    assert len(reservations_in(path)) == 1


async def test_those_of_puts_that_may_be_under_way_are_spared(tmp_path: Path) -> None:
    path, now = tmp_path / "jobs.sqlite", datetime.now(UTC)
    async with SqliteJobStore.open(path) as jobs:
        for name, due_s in {"forgotten": -60, "due now": -1, "under way": 5, "for long": 60}.items():
            await jobs.reserve([name], deadline=now + timedelta(seconds=due_s))
    assert len(reservations_in(path, late_s=8)) == 2
    assert len(reservations_in(path)) == 4

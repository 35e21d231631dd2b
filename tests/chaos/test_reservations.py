"""That reservations that nobody gave back are found."""

from pathlib import Path

from gateway.adapters.job_store.sqlite import SqliteJobStore
from tests.builders import NOW
from tests.chaos.reservations import reservations_in


async def test_reservations_that_stand_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    async with SqliteJobStore.open(path) as jobs:
        await jobs.reserve(["one", "two"], deadline=NOW)
        await jobs.release(["two"])
    assert reservations_in(path) == 1

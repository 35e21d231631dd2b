"""A job store in a file of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.adapters.job_store.sqlite import SqliteJobStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sqlite"


@pytest.fixture
async def store(path) -> AsyncIterator[SqliteJobStore]:
    async with SqliteJobStore.open(path) as store:
        yield store

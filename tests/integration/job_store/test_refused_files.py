"""Files that the SQLite job store does not open: in use, foreign, newer or damaged."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.adapters.job_store.database import open_database
from gateway.adapters.job_store.faults import UnusableJobStore
from gateway.adapters.job_store.schema import MIGRATIONS
from gateway.adapters.job_store.sqlite import SqliteJobStore
from tests.integration.job_store.stores import ROOT, add


async def test_a_second_gateway_is_refused(store, path):
    with pytest.raises(UnusableJobStore, match="in use by another gateway"):
        async with SqliteJobStore.open(path):
            pass
    second = [sys.executable, str(Path(__file__).with_name("sqlite_job_store_child.py")), str(path)]
    done = subprocess.run(second, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert "in use by another gateway" in done.stderr
    await add(store)


def write_garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 1_000)


def write_foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title)")
    connection.close()


def write_newer(path: Path) -> None:
    open_database(path, "full").close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()


def write_other_tables(path: Path) -> None:
    open_database(path, "full").close()
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE images RENAME COLUMN place TO position")
    connection.close()


def write_damaged(path: Path) -> None:
    open_database(path, "full").close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(30_000))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (write_garbage, "damaged"),
        (write_damaged, "damaged"),
        (write_foreign, "another program"),
        (write_newer, "newer gateway"),
        (write_other_tables, "another development version"),
        (Path.mkdir, "can't be"),
    ],
)
async def test_a_file_that_is_not_ours_is_refused_and_named(path, spoil, reason):
    spoil(path)
    with pytest.raises(UnusableJobStore, match=reason) as refused:
        async with SqliteJobStore.open(path):
            pass
    assert str(path) in str(refused.value)


async def test_a_foreign_file_is_left_as_it_was(path):
    write_foreign(path)
    before = path.read_bytes()
    with pytest.raises(UnusableJobStore):
        async with SqliteJobStore.open(path):
            pass
    assert path.read_bytes() == before

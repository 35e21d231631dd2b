"""Questions that are asked all the time cost what they answer: none goes through a whole table.

Told by SQLite's own plans, not by the clock.
"""

import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.adapters.job_store import backlog
from gateway.adapters.job_store.database import open_database
from gateway.domain.job import Stage
from tests.builders import NOW

JOBS = 100_000
_NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) "
FILL = (
    f"{_NUMBERS} INSERT INTO jobs SELECT n, n, 0, 0, NULL, NULL, 1, 'pending', 0, 0, 0, 1 FROM numbers",  # noqa: S608
    f"{_NUMBERS} INSERT INTO images SELECT n << 24, 'publish', NULL, NULL, '{{}}' FROM numbers",  # noqa: S608
)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A hundred thousand pending jobs of one image."""
    path: Path = tmp_path_factory.mktemp("plans") / "jobs.sqlite"
    database = open_database(path, "normal")
    try:
        for statement in FILL:
            database.writer.execute(statement, (JOBS,))
        yield database.readers[0]
    finally:
        database.close()


ASKED = dict.fromkeys(("stage", "now", "limit", "first", "steps", "before", "moment"), 1)


@pytest.mark.parametrize(
    "query",
    [
        backlog.DUE_OF_ANY,
        backlog.DUE_OF_PENDING,
        backlog.DUE_OF_RUNNING,
        backlog.IN_FLIGHT,
        backlog.WITHOUT_RESULT,
        backlog.ACCEPTED_BEFORE,
        backlog.ENDED,
    ],
)
def test_no_question_after_what_is_left_goes_through_a_table(connection: sqlite3.Connection, query: str):
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", ASKED)]
    touched = [step for step in plan if re.search(r"\b(images|jobs)\b", step)]
    assert touched
    assert [step for step in touched if not re.match("SEARCH .* USING ", step)] == []


class Steps:
    """Counts what the database's machine does, in thousands of its instructions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.thousands = 0
        connection.set_progress_handler(self._count, 1000)

    def _count(self) -> int:
        self.thousands += 1
        return 0


@pytest.mark.parametrize("max_running", [0, 5, 1000])
@pytest.mark.parametrize("after", [None, "50000"])
def test_what_waits_is_told_in_few_steps_however_much_waits(connection, max_running, after):
    steps = Steps(connection)
    due = backlog.due(connection, Stage.PUBLISH, NOW, limit=10, max_running=max_running, after=after)
    assert len(due) == min(10, max_running)
    assert steps.thousands < 5


def test_overdue_and_old_images_are_told_in_few_steps_however_much_waits(connection):
    steps = Steps(connection)
    assert backlog.without_result(connection, NOW, limit=100) == {}
    assert len(backlog.accepted_before(connection, NOW, limit=100)) == 100
    assert backlog.accepted_before(connection, NOW - timedelta(days=40_000), limit=100) == {}
    assert steps.thousands < 20

"""Questions that are asked all the time cost what they answer: none goes through a whole table.

Told by SQLite's own plans, not by the clock.
"""

import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.adapters.job_store import backlog, reuse, search
from gateway.adapters.job_store.companions import LETTERS
from gateway.adapters.job_store.database import open_database
from gateway.adapters.job_store.unit_of_work import DELETE_KEYWORDS
from gateway.domain.image_query import ImageQuery
from gateway.domain.job import Stage, Status
from gateway.domain.options import BatchOptions
from gateway.metadata import FieldPolicy, MetadataPolicy
from tests.builders import NOW

JOBS = 100_000
_NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) "
_NULLS = "NULL, NULL, NULL"
FILL = (
    f"{_NUMBERS} INSERT INTO jobs SELECT n, n, 0, 0, NULL, NULL, 1, 'pending', 0, 0, 0, 1, {_NULLS} FROM numbers",  # noqa: S608
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


SEARCHED = {"keywords": "[]", "before": 1, "limit": 1, "status": "failed", "keyword_0": "a", "keyword_1": "b"}


@pytest.mark.parametrize(
    "query",
    [
        search.ALL,
        search.ENDED_BY_STATUS,
        search.OPEN_BY_STATUS,
        search.by_keywords(1),
        search.by_keywords(2),
        search.RARITY,
    ],
)
def test_no_search_goes_through_more_than_the_images_that_are_open(
    connection: sqlite3.Connection, query: str
):
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", SEARCHED)]
    touched = [step for step in plan if re.search(r"\b(images|jobs|keywords|found)\b", step)]
    assert touched
    assert [
        step for step in touched if not re.match("SEARCH .* USING |SCAN .* INDEX images_open$", step)
    ] == []


def test_what_a_job_was_found_by_is_deleted_row_by_row(connection: sqlite3.Connection):
    """Not by going through all that others are found by with the same keyword."""
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {DELETE_KEYWORDS}", ("[]",))]
    assert plan[0] == "SEARCH keywords USING PRIMARY KEY (keyword=? AND place=?)"


def test_a_page_of_dead_letters_and_their_number_are_told_by_an_index_of_those_that_are_shown(
    connection: sqlite3.Connection,
):
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {LETTERS}", {"before": 1, "limit": 1})]
    touched = [step for step in plan if "dead_letters" in step]
    assert len(touched) == 2
    assert [step for step in touched if " INDEX dead_letters_shown" not in step] == []


REUSED = {"sha256s": "[]", "options": None, "mine": "[]", "withdrawn": "[]", "object_key": ""}


@pytest.mark.parametrize("query", [reuse.FIND, reuse.SHARED_WITH_OTHERS, reuse.IS_SHARED])
def test_what_is_reused_is_found_along_indexes(connection: sqlite3.Connection, query: str):
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", REUSED)]
    touched = [step for step in plan if re.search(r"\b(images|jobs|shared_processed|mine|others)\b", step)]
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


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A hundred thousand jobs of one image: all of them completed, of one content and found by "all", one in a thousand
    by "few".
    """
    path: Path = tmp_path_factory.mktemp("search") / "jobs.sqlite"
    database = open_database(path, "normal")
    try:
        for statement in FILL_ENDED:
            database.writer.execute(statement, (JOBS,))
        yield database.readers[0]
    finally:
        database.close()


SHA256 = "9f" * 32
IMAGE = f"""{{
    "index": 0, "original_filename": "a.jpg", "trace_id": "b-1", "status": "completed", "processed_path": "b-1/a.jpg",
    "original": {{"key": "b-1/original.jpg", "media_type": "image/jpeg", "size": 1, "sha256": "{SHA256}"}}
}}"""
FILL_ENDED = (
    f"{_NUMBERS} INSERT INTO jobs SELECT n, n, 0, 0, 0, NULL, 1, 'completed', 1, 0, 0, 0, {_NULLS} FROM numbers",  # noqa: S608
    f"{_NUMBERS} INSERT INTO images SELECT n << 24, 'ended', NULL, NULL, '{IMAGE}' FROM numbers",  # noqa: S608
    f"{_NUMBERS} INSERT INTO keywords SELECT 'all', n << 24 FROM numbers",  # noqa: S608
    f"{_NUMBERS} INSERT INTO keywords SELECT 'few', n << 24 FROM numbers WHERE n % 1000 = 0",  # noqa: S608
)


@pytest.mark.parametrize("cursor", [None, str(50_000 << 24)])
@pytest.mark.parametrize(
    ("query", "total"),
    [
        (ImageQuery(), JOBS),
        (ImageQuery(status=Status.COMPLETED), JOBS),
        (ImageQuery(status=Status.FAILED), 0),
        (ImageQuery(status=Status.PENDING), 0),
        (ImageQuery(keywords=["few"]), JOBS // 1000),
        (ImageQuery(keywords=["few", "none"]), 0),
    ],
    ids=["all", "completed", "failed", "pending", "few", "few and none"],
)
def test_a_page_of_a_search_is_told_in_few_steps_however_many_images_are_kept(ended, query, total, cursor):
    steps = Steps(ended)
    page = search.find_images(ended, query, limit=10, cursor=cursor)
    assert (page.total, len(page.images)) == (total, min(10, total))
    assert steps.thousands < 5


@pytest.mark.parametrize(
    ("options", "found"),
    [(BatchOptions(), True), (BatchOptions(MetadataPolicy(title=FieldPolicy.KEEP)), False)],
    ids=["the same options", "other options"],
)
def test_what_can_be_reused_is_told_in_few_steps_however_often_it_was_analysed(ended, options, found):
    steps = Steps(ended)
    assert (SHA256 in reuse.find_analysed(ended, [SHA256], options)) == found
    assert steps.thousands < 10


def test_of_several_keywords_the_rarest_leads_the_way(ended):
    steps = Steps(ended)
    page = search.find_images(ended, ImageQuery(keywords=["all", "few"]), limit=10, cursor=None)
    assert page.total == JOBS // 1000
    assert steps.thousands < 100

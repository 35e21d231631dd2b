"""Questions to the tables: each is one statement, so each answer is of one moment.

They are asked on the readers' connections, and by the writer within its transaction. The newest job is the one that
was committed last, so a list's cursor is the key of the last job before it.
"""

import re
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from gateway.adapters.job_store.rows import (
    KeptJob,
    event_of,
    fetch_json,
    job_summary,
    kept_job,
    microseconds,
)
from gateway.domain.events import Event
from gateway.domain.job import Status
from gateway.ports.job_store import BadCursor, JobNotFound, JobPage

_JOB = """
SELECT json_array(
    json_array(key, job_id, created_at, updated_at, completed_at, cancelled_at, seq, json(options),
        retry_of),
    json((SELECT '[' || group_concat(data) || ']' FROM images WHERE place BETWEEN first_place AND last_place))
) FROM jobs WHERE job_id = :job_id
"""

_EVENTS = """
SELECT json('[' || coalesce((
    SELECT group_concat(data) FROM (
        SELECT data FROM events WHERE place > first_place + :after AND place <= last_place
        ORDER BY place LIMIT :limit
    )
), '') || ']') FROM jobs WHERE job_id = :job_id
"""

# The rows that the cursor stands before: all, when it is None.
_PAGE = """
SELECT json_array(
    (SELECT sum(jobs) FROM tallies {tally}),
    (SELECT json_group_array(json_array(
        key, job_id, created_at, updated_at, started_at, cancelled_at, completed_at, retry_of, seq,
        status, completed, failed, cancelled, open
    )) FROM (
        SELECT * FROM jobs WHERE key < :before {filter} ORDER BY key DESC LIMIT :limit
    ))
)
"""
_PAGE_OF_ALL = _PAGE.format(tally="", filter="")
_PAGE_BY_STATUS = _PAGE.format(tally="WHERE status = :status", filter="AND status = :status")

_OVERDUE = """
SELECT json_group_array(trace_id) FROM (
    SELECT trace_id FROM reservations WHERE deadline < :now ORDER BY deadline, trace_id LIMIT :limit
)
"""

_PAST_ALL = 2**63 - 1
_CURSOR = re.compile("[1-9][0-9]{0,17}")


def job(connection: sqlite3.Connection, job_id: str) -> KeptJob | None:
    found = fetch_json(connection, _JOB, {"job_id": job_id})
    return None if found is None else kept_job(found[0], found[1] or [])


def events(connection: sqlite3.Connection, job_id: str, *, after: int, limit: int) -> tuple[Event, ...]:
    found = fetch_json(connection, _EVENTS, {"job_id": job_id, "after": after, "limit": limit})
    if found is None:
        raise no_such_job(job_id)
    return tuple(map(event_of, found))


def page(connection: sqlite3.Connection, *, limit: int, cursor: str | None, status: Status | None) -> JobPage:
    asked: dict[str, object] = {"before": before_cursor(cursor), "limit": limit + 1, "status": status}
    total, rows = fetch_json(connection, _PAGE_OF_ALL if status is None else _PAGE_BY_STATUS, asked)
    listed = rows[:limit]
    next_cursor = str(listed[-1][0]) if listed and len(rows) > limit else None
    return JobPage(tuple(map(job_summary, listed)), total or 0, next_cursor)


def overdue(connection: sqlite3.Connection, now: datetime, *, limit: int) -> Sequence[str]:
    return tuple(fetch_json(connection, _OVERDUE, {"now": microseconds(now), "limit": limit}))


def no_such_job(job_id: str) -> JobNotFound:
    return JobNotFound("There is no such job.", detail=job_id)


def before_cursor(cursor: str | None) -> int:
    """The number that stands before all that is to come; the one past all for a first page. Raises BadCursor."""
    if cursor is None:
        return _PAST_ALL
    if not _CURSOR.fullmatch(cursor):
        raise BadCursor("The cursor is not one of this list.")
    return int(cursor)

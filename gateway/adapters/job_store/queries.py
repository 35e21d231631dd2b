"""Questions to the tables: each is one statement, so each answer is of one moment.

They are asked on the readers' connections, and by the writer within its transaction.
"""

import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from gateway.adapters.job_store.rows import (
    KeptJob,
    event_of,
    fetch_json,
    job_summary,
    kept_job,
    microseconds,
    moment,
    to_json,
)
from gateway.domain.events import Event
from gateway.domain.job import Stage, Status
from gateway.ports.job_store import BadCursor, JobNotFound, JobPage, JobSummary

_JOB = """
SELECT json_array(
    json_array(key, job_id, created_at, updated_at, completed_at, cancelled_at, seq),
    json((SELECT '[' || group_concat(data) || ']' FROM images WHERE job = key))
) FROM jobs WHERE job_id = :job_id
"""

_EVENTS = """
SELECT json('[' || coalesce((
    SELECT group_concat(data) FROM (
        SELECT data FROM events WHERE job = key AND seq > :after ORDER BY seq LIMIT :limit
    )
), '') || ']') FROM jobs WHERE job_id = :job_id
"""

# The rows that the cursor stands before: all, when it is None.
_PAGE = """
SELECT json_array(
    (SELECT sum(jobs) FROM tallies {tally}),
    (SELECT json_group_array(json_array(
        job_id, created_at, updated_at, completed_at, status, completed, failed, cancelled, open
    )) FROM (
        SELECT * FROM jobs WHERE (created_at, job_id) < (:created_at, :job_id) {filter}
        ORDER BY created_at DESC, job_id DESC LIMIT :limit
    ))
)
"""
_PAGE_OF_ALL = _PAGE.format(tally="", filter="")
_PAGE_BY_STATUS = _PAGE.format(tally="WHERE status = :status", filter="AND status = :status")

# Steps from job to job over the index of open images, so that a backlog of any length costs `limit` steps.
# The term `stage <> 'ended'` is what lets SQLite use that partial index.
_DUE_IN_STAGE = """stage = :stage AND stage <> 'ended' AND (not_before IS NULL OR not_before <= :now)"""
_DUE = f"""
WITH RECURSIVE due (key, number) AS (
    SELECT (SELECT job FROM images WHERE {_DUE_IN_STAGE} ORDER BY job LIMIT 1), 1
    UNION ALL
    SELECT (SELECT job FROM images WHERE {_DUE_IN_STAGE} AND job > due.key ORDER BY job LIMIT 1), number + 1
    FROM due WHERE due.key IS NOT NULL AND number < :limit
)
SELECT json_group_array(json_array(job_id, json(indices))) FROM (
    SELECT job_id, (
        SELECT json_group_array(idx) FROM (
            SELECT idx FROM images WHERE {_DUE_IN_STAGE} AND job = due.key ORDER BY idx LIMIT :limit
        )
    ) AS indices
    FROM due JOIN jobs ON jobs.key = due.key ORDER BY number
)
"""  # noqa: S608 - composed of the constant above

_OVERDUE = """
SELECT json_group_array(trace_id) FROM (
    SELECT trace_id FROM reservations WHERE deadline < :now ORDER BY deadline, trace_id LIMIT :limit
)
"""

_ENDED = """
SELECT json_group_array(job_id) FROM (
    SELECT job_id FROM jobs WHERE completed_at < :moment ORDER BY completed_at, job_id LIMIT :limit
)
"""

_PAST_ALL = (2**63 - 1, "")


def job(connection: sqlite3.Connection, job_id: str) -> KeptJob | None:
    found = fetch_json(connection, _JOB, {"job_id": job_id})
    return None if found is None else kept_job(found[0], found[1] or [])


def events(connection: sqlite3.Connection, job_id: str, *, after: int, limit: int) -> tuple[Event, ...]:
    found = fetch_json(connection, _EVENTS, {"job_id": job_id, "after": after, "limit": limit})
    if found is None:
        raise no_such_job(job_id)
    return tuple(map(event_of, found))


def page(connection: sqlite3.Connection, *, limit: int, cursor: str | None, status: Status | None) -> JobPage:
    created_at, job_id = _PAST_ALL if cursor is None else _read_cursor(cursor)
    asked = {"created_at": created_at, "job_id": job_id, "limit": limit + 1, "status": status}
    total, rows = fetch_json(connection, _PAGE_OF_ALL if status is None else _PAGE_BY_STATUS, asked)
    jobs = tuple(map(job_summary, rows[:limit]))
    return JobPage(jobs, total or 0, _cursor_after(jobs[-1]) if jobs and len(rows) > limit else None)


def due(
    connection: sqlite3.Connection, stage: Stage, now: datetime, *, limit: int
) -> Mapping[str, Sequence[int]]:
    asked = {"stage": stage, "now": microseconds(now), "limit": limit}
    return dict(fetch_json(connection, _DUE, asked)) if limit > 0 else {}


def in_flight(connection: sqlite3.Connection) -> int:
    query = "SELECT count(*) FROM images WHERE stage = 'result' AND stage <> 'ended'"
    return int(connection.execute(query).fetchone()[0])


def ended_before(connection: sqlite3.Connection, moment: datetime, *, limit: int) -> Sequence[str]:
    return tuple(fetch_json(connection, _ENDED, {"moment": microseconds(moment), "limit": limit}))


def overdue(connection: sqlite3.Connection, now: datetime, *, limit: int) -> Sequence[str]:
    return tuple(fetch_json(connection, _OVERDUE, {"now": microseconds(now), "limit": limit}))


def no_such_job(job_id: str) -> JobNotFound:
    return JobNotFound("There is no such job.", detail=job_id)


def _cursor_after(job: JobSummary) -> str:
    text = to_json([microseconds(job.created_at), job.job_id])
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, str]:
    try:
        place: Any = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        created_at, job_id = place
        moment(created_at)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadCursor("The cursor is not one of this list.") from error
    if type(created_at) is not int or type(job_id) is not str:
        raise BadCursor("The cursor is not one of this list.")
    return created_at, job_id

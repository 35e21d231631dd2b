"""Questions after what is left to do, over all jobs.

Each costs as much as it answers, or as what runs at once, however many jobs wait or are kept: they go along the index
of open images, along the jobs of one status, or look at the oldest rows alone.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from gateway.adapters.job_store.rows import fetch_json, microseconds
from gateway.adapters.job_store.schema import NUMBER_BITS, place_of
from gateway.domain.job import Stage, Status

# The term `stage <> 'ended'` is what lets SQLite use the index of open images.
_DUE_IN_STAGE = "stage = :stage AND stage <> 'ended' AND (not_before IS NULL OR not_before <= :now)"
_DUE_OF_JOB = f"""(
    SELECT json_group_array(place - first_place) FROM (
        SELECT place FROM images WHERE {_DUE_IN_STAGE} AND place BETWEEN first_place AND last_place
        ORDER BY place LIMIT :limit
    )
)"""  # noqa: S608 - composed of the constant above

# Steps from job to job over the index, so that a backlog of any length costs as many steps as are asked for.
_DUE = f"""
WITH RECURSIVE due (number, key) AS (
    SELECT 1, (
        SELECT place FROM images WHERE {_DUE_IN_STAGE} AND place >= :first ORDER BY place LIMIT 1
    ) >> {NUMBER_BITS}
    UNION ALL
    SELECT number + 1, (
        SELECT place FROM images WHERE {_DUE_IN_STAGE} AND place >= due.key + 1 << {NUMBER_BITS}
        ORDER BY place LIMIT 1
    ) >> {NUMBER_BITS}
    FROM due WHERE due.key IS NOT NULL AND number < :steps
)
SELECT json_group_array(json_array(key, job_id, json(indices))) FROM (
    SELECT jobs.key AS key, job_id, {_DUE_OF_JOB} AS indices
    FROM due CROSS JOIN jobs ON jobs.key = due.key {{filter}} ORDER BY number LIMIT :limit
)
"""  # noqa: S608 - composed of the constants above
DUE_OF_ANY = _DUE.format(filter="")
DUE_OF_PENDING = _DUE.format(filter="WHERE status = 'pending'")

DUE_OF_RUNNING = f"""
SELECT json_group_array(json_array(key, job_id, json(indices))) FROM (
    SELECT key, job_id, {_DUE_OF_JOB} AS indices FROM jobs
    WHERE status = 'processing' AND key >= :first >> {NUMBER_BITS} AND EXISTS (
        SELECT 1 FROM images WHERE {_DUE_IN_STAGE} AND place BETWEEN first_place AND last_place
    )
    ORDER BY key LIMIT :limit
)
"""  # noqa: S608 - composed of the constants above

IN_FLIGHT = "SELECT count(*) FROM images WHERE stage = 'result' AND stage <> 'ended'"

OPEN_IMAGES = "SELECT stage, count(*) FROM images WHERE stage <> 'ended' GROUP BY stage"

# What is in flight is bounded by the window, so it needs no index in the order of its publishes.
WITHOUT_RESULT = f"""
SELECT json_group_array(json_array(job_id, number)) FROM (
    SELECT job_id, place - first_place AS number FROM (
        SELECT place, published_at FROM images
        WHERE stage = 'result' AND stage <> 'ended' AND published_at < :before
        ORDER BY published_at, place LIMIT :limit
    ) CROSS JOIN jobs ON key = place >> {NUMBER_BITS} ORDER BY published_at, place
)
"""  # noqa: S608 - composed of the constant above

# Places are in the order in which jobs were accepted: if none of the oldest is old enough, none is.
ACCEPTED_BEFORE = f"""
SELECT json_group_array(json_array(job_id, number)) FROM (
    SELECT job_id, place - first_place AS number FROM (
        SELECT place FROM images WHERE stage = :stage AND stage <> 'ended' ORDER BY place LIMIT :limit
    ) CROSS JOIN jobs ON key = place >> {NUMBER_BITS} WHERE created_at < :moment ORDER BY place
)
"""  # noqa: S608 - composed of the constant above

INTERRUPTED = f"""
SELECT json_group_array(json_array(job_id, number)) FROM (
    SELECT job_id, place - first_place AS number FROM (
        SELECT place FROM images
        WHERE stage = 'publish' AND stage <> 'ended' AND json_extract(data, '$.interruptions') >= :times ORDER BY place
    ) CROSS JOIN jobs ON key = place >> {NUMBER_BITS} ORDER BY place
)
"""  # noqa: S608 - composed of the constant above

ENDED = """
SELECT json_group_array(job_id) FROM (
    SELECT job_id FROM jobs WHERE completed_at < :moment ORDER BY completed_at, key LIMIT :limit
)
"""

_Due = tuple[int, str, Sequence[int]]
"""A job's key, its id, and its images that are due."""


def due(
    connection: sqlite3.Connection,
    stage: Stage,
    now: datetime,
    *,
    limit: int,
    max_running: int,
    after: str | None,
) -> Mapping[str, Sequence[int]]:
    if limit <= 0:
        return {}
    asked: dict[str, object] = {"stage": stage.value, "now": microseconds(now), "limit": limit}
    first = 0 if after is None else _key_of(connection, after) + 1
    running = running_jobs(connection)
    new = max(0, max_running - running)
    if new >= limit:
        found = _round(connection, DUE_OF_ANY, first, limit, {**asked, "steps": limit})
    else:
        found = _round(connection, DUE_OF_RUNNING, first, limit, asked)
        if new:
            oldest = {**asked, "first": 0, "steps": running + new, "limit": new}
            found += fetch_json(connection, DUE_OF_PENDING, oldest)
            found.sort(key=lambda job: (job[0] < first, job[0]))
    return {job_id: indices for _, job_id, indices in found[:limit]}


def _round(
    connection: sqlite3.Connection, question: str, first: int, limit: int, asked: dict[str, object]
) -> list[_Due]:
    """The answer from the key `first` on, then round from the beginning up to it."""
    found: list[_Due] = fetch_json(connection, question, {**asked, "first": place_of(first, 0)})
    if first and len(found) < limit:
        begun_anew: list[_Due] = fetch_json(connection, question, {**asked, "first": 0})
        found += [job for job in begun_anew if job[0] < first]
    return found[:limit]


def _key_of(connection: sqlite3.Connection, job_id: str) -> int:
    """Of a job that is gone: 0, before all others."""
    row = connection.execute("SELECT key FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    return int(row[0]) if row else 0


def running_jobs(connection: sqlite3.Connection) -> int:
    query = "SELECT jobs FROM tallies WHERE status = ?"
    return int(connection.execute(query, (Status.PROCESSING.value,)).fetchone()[0])


def in_flight(connection: sqlite3.Connection) -> int:
    return int(connection.execute(IN_FLIGHT).fetchone()[0])


def open_images(connection: sqlite3.Connection) -> Mapping[Stage, int]:
    counted = dict(connection.execute(OPEN_IMAGES).fetchall())
    return {stage: counted.get(stage.value, 0) for stage in Stage if stage is not Stage.ENDED}


def without_result(
    connection: sqlite3.Connection, before: datetime, *, limit: int
) -> Mapping[str, Sequence[int]]:
    return _by_job(fetch_json(connection, WITHOUT_RESULT, {"before": microseconds(before), "limit": limit}))


def accepted_before(
    connection: sqlite3.Connection, moment: datetime, *, limit: int
) -> Mapping[str, Sequence[int]]:
    found: list[tuple[str, int]] = []
    for stage in (Stage.RESULT, Stage.PUBLISH, Stage.FETCH):
        asked = {"stage": stage.value, "moment": microseconds(moment), "limit": limit - len(found)}
        found += fetch_json(connection, ACCEPTED_BEFORE, asked)
    return _by_job(found)


def interrupted(connection: sqlite3.Connection, *, times: int) -> Mapping[str, Sequence[int]]:
    return _by_job(fetch_json(connection, INTERRUPTED, {"times": times}))


def ended_before(connection: sqlite3.Connection, moment: datetime, *, limit: int) -> Sequence[str]:
    return tuple(fetch_json(connection, ENDED, {"moment": microseconds(moment), "limit": limit}))


def _by_job(images: Iterable[tuple[str, int]]) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    for job_id, index in images:
        found.setdefault(job_id, []).append(index)
    return found

"""What is committed beside a job: dead letters, answers to idempotency keys, and which originals jobs share.

All of it is rare beside images and events, so each is a statement of its own, in the transaction of its unit of work.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from gateway.adapters.job_store.queries import before_cursor
from gateway.adapters.job_store.rows import (
    Row,
    answer_of,
    answer_row,
    fetch_json,
    letter_of,
    letter_row,
    microseconds,
)
from gateway.domain.dead_letter import DeadLetter
from gateway.domain.job import Job
from gateway.domain.receipt import Answer
from gateway.errors import Conflict
from gateway.ports.answers import AlreadyAnswered
from gateway.ports.dead_letters import DeadLetterNotFound, DeadLetterPage
from gateway.ports.job_store import Companion, TakenLetter

Write = tuple[str, Row]
"""A statement and its values."""

_KEEP_LETTER = "INSERT OR IGNORE INTO dead_letters (dead_letter_id, job_id, at, data) VALUES (?, ?, ?, ?)"
_TAKE_LETTER = "UPDATE dead_letters SET data = NULL WHERE dead_letter_id = ?"
_TAKE_ALL_LETTERS = "UPDATE dead_letters SET data = NULL WHERE data IS NOT NULL"
_FORGET_LETTERS = """
DELETE FROM dead_letters WHERE at < ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.job_id = dead_letters.job_id)
"""
_LETTER = "SELECT json(data) FROM dead_letters WHERE dead_letter_id = :dead_letter_id"
# Along the index of those that are shown: the rows themselves are long, and most may have been taken away.
LETTERS = """
SELECT json_array(
    (SELECT count(*) FROM dead_letters WHERE data IS NOT NULL),
    (SELECT json_group_array(json_array(key, json(data))) FROM (
        SELECT key, data FROM dead_letters WHERE key < :before AND data IS NOT NULL ORDER BY key DESC LIMIT :limit
    ))
)
"""
_KEEP_ANSWER = "REPLACE INTO answers VALUES (?, ?, ?)"
_ANSWER = "SELECT json(data) FROM answers WHERE idempotency_key = :key AND expires_at > :now"
_FORGET_ANSWERS = """
DELETE FROM answers WHERE idempotency_key IN (
    SELECT idempotency_key FROM answers WHERE expires_at < ? ORDER BY expires_at LIMIT ?
)
"""
_SHARE = "INSERT OR IGNORE INTO shared_originals VALUES (?, ?)"
_SHARED_WITH_OTHERS = """
SELECT json_group_array(object_key) FROM shared_originals AS mine WHERE job_key = :job_key AND EXISTS (
    SELECT 1 FROM shared_originals AS others WHERE others.object_key = mine.object_key
    AND others.job_key <> mine.job_key AND others.job_key NOT IN (SELECT job_key FROM retired)
)
"""


def writes(connection: sqlite3.Connection, companions: Sequence[Companion]) -> Sequence[Write]:
    """What commits them. Raises AlreadyAnswered, DeadLetterNotFound."""
    return [_write(connection, companion) for companion in companions]


def _write(connection: sqlite3.Connection, companion: Companion) -> Write:
    if isinstance(companion, DeadLetter):
        return _KEEP_LETTER, letter_row(companion)
    if isinstance(companion, TakenLetter):
        letter(connection, companion.dead_letter_id)
        return _TAKE_LETTER, (companion.dead_letter_id,)
    if answer(connection, companion.key, companion.receipt.created_at):
        raise AlreadyAnswered("A request with this idempotency key was answered meanwhile.")
    return _KEEP_ANSWER, answer_row(companion)


def letter(connection: sqlite3.Connection, dead_letter_id: str) -> DeadLetter:
    found = fetch_json(connection, _LETTER, {"dead_letter_id": dead_letter_id})
    if found is None:
        raise DeadLetterNotFound("There is no such dead letter.", detail=dead_letter_id)
    return letter_of(found)


def letters(connection: sqlite3.Connection, *, limit: int, cursor: str | None) -> DeadLetterPage:
    total, rows = fetch_json(connection, LETTERS, {"before": before_cursor(cursor), "limit": limit + 1})
    listed = rows[:limit]
    next_cursor = str(listed[-1][0]) if listed and len(rows) > limit else None
    return DeadLetterPage([letter_of(data) for _, data in listed], total, next_cursor)


def delete_letters(connection: sqlite3.Connection) -> int:
    return connection.execute(_TAKE_ALL_LETTERS).rowcount


def forget_letters(connection: sqlite3.Connection, before: datetime) -> int:
    return connection.execute(_FORGET_LETTERS, (microseconds(before),)).rowcount


def answer(connection: sqlite3.Connection, key: str, now: datetime) -> Answer | None:
    found = fetch_json(connection, _ANSWER, {"key": key, "now": microseconds(now)})
    return None if found is None else answer_of(found)


def forget_answers(connection: sqlite3.Connection, before: datetime, limit: int) -> int:
    return connection.execute(_FORGET_ANSWERS, (microseconds(before), limit)).rowcount


def demand_not_retired(connection: sqlite3.Connection, job_key: int) -> None:
    """Raises Conflict."""
    if connection.execute("SELECT 1 FROM retired WHERE job_key = ?", (job_key,)).fetchone():
        raise Conflict("The job's time is over: its images can't be tried again.", code="job_retired")


def share_originals(connection: sqlite3.Connection, job: Job, job_keys: Sequence[int]) -> None:
    """Note that these jobs work on the originals that the job has from the start."""
    keys = [image.original.key for image in job.images if image.original]
    connection.executemany(_SHARE, [(key, job_key) for key in keys for job_key in job_keys])


def retire(connection: sqlite3.Connection, job_key: int) -> frozenset[str]:
    """The keys of those originals of the job that others, not retired, work on too."""
    connection.execute("INSERT OR IGNORE INTO retired VALUES (?)", (job_key,))
    return frozenset(fetch_json(connection, _SHARED_WITH_OTHERS, {"job_key": job_key}))

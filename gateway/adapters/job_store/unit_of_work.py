"""The changes of one transaction: seen at once by its later operations, written together at its end.

An operation stages its change as its last step, when nothing can raise any more, so one that raises leaves nothing
behind. However many operations there are, `write` costs few statements a table: the sqlite3 module lets go of the
interpreter's lock at each, and beside a busy event loop waits up to 5 ms to get it back.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain

from attrs import Factory, define

from gateway.adapters.job_store import companions as beside
from gateway.adapters.job_store import queries, reuse
from gateway.adapters.job_store.recent import RecentJobs
from gateway.adapters.job_store.rows import (
    KeptJob,
    Row,
    event_row,
    image_row,
    job_row,
    keyword_rows,
    microseconds,
    to_json,
)
from gateway.adapters.job_store.schema import KEYWORDS_OF_IMAGES
from gateway.adapters.job_store.withdrawn import WithdrawnJobs
from gateway.domain.dead_letter import DeadLetter
from gateway.domain.events import Change
from gateway.domain.job import Image, Job
from gateway.errors import Conflict
from gateway.ports.job_store import Companion, TakenLetter

_ROWS_AT_ONCE = 64  # each number of rows is a statement, which the connection keeps compiled

_WRITE_JOBS = """
INSERT INTO jobs VALUES {rows}
ON CONFLICT (key) DO UPDATE SET updated_at = excluded.updated_at, completed_at = excluded.completed_at,
    cancelled_at = excluded.cancelled_at, started_at = excluded.started_at,
    seq = excluded.seq, status = excluded.status,
    completed = excluded.completed, failed = excluded.failed, cancelled = excluded.cancelled, open = excluded.open
"""
_WRITE_IMAGES = "REPLACE INTO images VALUES {rows}"
_WRITE_EVENTS = "INSERT INTO events VALUES {rows}"
_WRITE_KEYWORDS = "INSERT OR IGNORE INTO keywords VALUES {rows}"
_WRITE_RESERVATIONS = "REPLACE INTO reservations VALUES {rows}"
_DELETE_RESERVATIONS = "DELETE FROM reservations WHERE trace_id IN (SELECT value FROM json_each(?))"
# A deadline of 0 is a claim: it is past for everybody, and no job can use the reservation any more.
_CLAIM_RESERVATIONS = (
    "UPDATE reservations SET deadline = 0 WHERE trace_id IN (SELECT value FROM json_each(?))"
)
_COUNT_RESERVATIONS = """
SELECT count(*) FROM reservations WHERE deadline > 0 AND trace_id IN (SELECT value FROM json_each(?))
"""
_DELETE_PLACES = """
DELETE FROM {table} WHERE place IN (
    SELECT place FROM jobs CROSS JOIN {table} ON place BETWEEN first_place AND last_place
    WHERE job_id IN (SELECT value FROM json_each(?))
)
"""
DELETE_KEYWORDS = f"""
DELETE FROM keywords WHERE (keyword, place) IN (
    {KEYWORDS_OF_IMAGES} WHERE place IN (
        SELECT place FROM jobs CROSS JOIN images ON place BETWEEN first_place AND last_place
        WHERE job_id IN (SELECT value FROM json_each(?))
    )
)
"""  # noqa: S608 - composed of the constant
_DELETE_OF_KEYS = """
DELETE FROM {table} WHERE job_key IN (
    SELECT key FROM jobs WHERE job_id IN (SELECT value FROM json_each(?))
)
"""
_DELETE_JOBS = (
    DELETE_KEYWORDS,
    "DELETE FROM dead_letters WHERE job_id IN (SELECT value FROM json_each(?))",
    _DELETE_OF_KEYS.format(table="shared_originals"),
    _DELETE_OF_KEYS.format(table="shared_processed"),
    _DELETE_OF_KEYS.format(table="retired"),
    _DELETE_PLACES.format(table="events"),
    _DELETE_PLACES.format(table="images"),
    "DELETE FROM jobs WHERE job_id IN (SELECT value FROM json_each(?))",
)
_UNPUBLISHED = "json_remove(data, '$.published_at')"
_INTERRUPTED_ONCE_MORE = f"""
json_set({_UNPUBLISHED}, '$.interruptions', coalesce(json_extract(data, '$.interruptions'), 0) + 1)
"""
_TAKE_PUBLISHES_BACK = """
UPDATE images SET stage = 'publish', published_at = NULL, data = {data} WHERE stage = 'result' AND stage <> 'ended'
"""


@define
class UnitOfWork:
    """One transaction on the writer's connection. Jobs that are None here are deleted.

    `standing` holds the reservations that were made since the file was opened and still stand, to spare a question.
    """

    _connection: sqlite3.Connection
    _recent: RecentJobs
    _standing: set[str]
    _keys: Iterator[int]
    _withdrawn: WithdrawnJobs = Factory(WithdrawnJobs)
    _jobs: dict[str, KeptJob | None] = Factory(dict)
    _job_rows: dict[int, Row] = Factory(dict)
    _image_rows: dict[tuple[int, int], Row] = Factory(dict)
    _event_rows: list[Row] = Factory(list)
    _keyword_rows: list[Row] = Factory(list)
    _reserved: dict[str, int] = Factory(dict)
    _claimed: set[str] = Factory(set)
    _released: set[str] = Factory(set)
    _forgets: bool = False

    def add(self, accepted: Change, reserved: Sequence[str], companions: Sequence[Companion] = ()) -> None:
        self._demand(reserved)
        writes = beside.writes(self._connection, companions)
        retried = self._retried(accepted.job)
        kept = KeptJob(next(self._keys), accepted.job)
        self._stage(kept, accepted, None)
        self._released.update(reserved)
        if retried is not None:
            beside.share_originals(self._connection, kept.job, (retried.key, kept.key))
        self._make(writes)

    def update(
        self,
        job_id: str,
        decide: Callable[[Job], Change | None],
        companions: Sequence[Companion] = (),
    ) -> Change | None:
        kept = self._job_of(job_id)
        writes = beside.writes(self._connection, companions)
        change = decide(kept.job)
        if change is not None:
            self._stage(KeptJob(kept.key, change.job), change, kept.job)
        self._make(writes)
        return change

    def retire(self, job_id: str) -> frozenset[str]:
        return beside.retire(self._connection, self._job_of(job_id).key)

    def delete(self, job_id: str) -> None:
        self._jobs[job_id] = None

    def forget_publishes(self) -> int:
        return self._rewrite_published(_INTERRUPTED_ONCE_MORE)

    def take_back_publishes(self) -> int:
        return self._rewrite_published(_UNPUBLISHED)

    def reserve(self, trace_ids: Sequence[str], deadline: datetime) -> None:
        self._reserved |= dict.fromkeys(trace_ids, microseconds(deadline))
        self._claimed.difference_update(trace_ids)
        self._released.difference_update(trace_ids)

    def claim(self, trace_ids: Sequence[str]) -> Sequence[str]:
        query = "SELECT trace_id FROM reservations WHERE trace_id IN (SELECT value FROM json_each(?))"
        standing = {name for (name,) in self._connection.execute(query, (to_json(trace_ids),))}
        claimed = [name for name in trace_ids if name in standing and name not in self._released]
        self._claimed.update(claimed)
        return claimed

    def release(self, trace_ids: Sequence[str]) -> None:
        self._released.update(trace_ids)

    def keep_letter(self, letter: DeadLetter) -> None:
        self._make(beside.writes(self._connection, (letter,)))

    def delete_letter(self, dead_letter_id: str) -> None:
        self._make(beside.writes(self._connection, (TakenLetter(dead_letter_id),)))

    def delete_letters(self) -> int:
        return beside.delete_letters(self._connection)

    def forget_letters(self, before: datetime) -> int:
        return beside.forget_letters(self._connection, before)

    def forget_answers(self, before: datetime, limit: int) -> int:
        return beside.forget_answers(self._connection, before, limit)

    def touch(self) -> None:
        """Write something that changes nothing."""
        self._connection.execute("REPLACE INTO meta VALUES ('checked', datetime('now'))")

    def write(self) -> None:
        """Hand everything staged to SQLite, within the transaction."""
        deleted = self._deleted()
        self._write_rows(_WRITE_JOBS, list(self._job_rows.values()))
        self._write_rows(_WRITE_IMAGES, list(self._image_rows.values()))
        self._write_rows(_WRITE_EVENTS, self._event_rows)
        self._write_rows(_WRITE_KEYWORDS, self._keyword_rows)
        self._write_rows(_WRITE_RESERVATIONS, list(self._reserved.items()))
        self._name(_CLAIM_RESERVATIONS, list(self._claimed))
        self._name(_DELETE_RESERVATIONS, list(self._released))
        for statement in _DELETE_JOBS:
            self._name(statement, deleted)
        self._job_rows.clear()
        self._image_rows.clear()
        self._event_rows.clear()
        self._keyword_rows.clear()

    def committed(self) -> None:
        """The transaction stands: everybody may see it."""
        if self._forgets:
            self._recent.forget_all()
        if self._jobs:
            self._recent.committed(self._jobs)
        self._standing.update(self._reserved)
        self._standing.difference_update(self._claimed, self._released)
        self._withdrawn.deleted(self._deleted())

    def _stage(self, kept: KeptJob, change: Change, before: Job | None) -> None:
        images = change.job.images if before is None else _changed(before, change.job)
        # Everything that may raise stands before the first assignment.
        row = job_row(kept)
        rows = {id(image): image_row(kept.key, image) for image in images}
        event_rows = [event_row(kept.key, event, rows) for event in change.events]
        shares = self._shares(kept.key, images)
        found_by = [row for image in images if image.metadata for row in keyword_rows(kept.key, image)]
        self._jobs[kept.job.job_id] = kept
        self._job_rows[kept.key] = row
        for image in images:
            self._image_rows[kept.key, image.index] = rows[id(image)]
        self._event_rows += event_rows
        self._keyword_rows += found_by
        self._make([(reuse.SHARE, row) for row in shares])

    def _shares(self, key: int, changed: Sequence[Image]) -> Sequence[Row]:
        """Notes of what images reuse from now on: an image that has ended changes no more. Raises SourceGone."""
        reusing = [image for image in changed if image.reused_from is not None]
        if not reusing:
            return ()
        gone = self._withdrawn.job_ids.union(self._deleted())
        return reuse.shares(self._connection, key, reusing, gone)

    def _deleted(self) -> list[str]:
        return [job_id for job_id, kept in self._jobs.items() if kept is None]

    def _retried(self, job: Job) -> KeptJob | None:
        """The job whose images that one tries again. Raises JobNotFound, Conflict."""
        if job.retry_of is None:
            return None
        retried = self._job_of(job.retry_of)
        beside.demand_not_retired(self._connection, retried.key)
        return retried

    def _job_of(self, job_id: str) -> KeptJob:
        kept = self._jobs[job_id] if job_id in self._jobs else self._committed_job(job_id)
        if kept is None:
            raise queries.no_such_job(job_id)
        return kept

    def _committed_job(self, job_id: str) -> KeptJob | None:
        if self._forgets:
            return queries.job(self._connection, job_id)
        commits = self._recent.commits
        kept = self._recent.get(job_id) or queries.job(self._connection, job_id)
        if kept is not None:
            self._recent.was_read(kept, commits_before=commits)
        return kept

    def _demand(self, reserved: Sequence[str]) -> None:
        """Raises Conflict when a reservation is gone, in this transaction or before it."""
        are_gone = not (self._released.isdisjoint(reserved) and self._claimed.isdisjoint(reserved))
        if are_gone or not self._all_stand(reserved):
            raise Conflict("The upload took too long and was given up.", detail="a reservation is gone")

    def _all_stand(self, reserved: Sequence[str]) -> bool:
        if self._standing.issuperset(reserved):
            return True
        (found,) = self._connection.execute(_COUNT_RESERVATIONS, (to_json(reserved),)).fetchone()
        return bool(found == len(reserved))

    def _rewrite_published(self, data: str) -> int:
        """Changes the images where they lie, so all that was staged before is written first."""
        self.write()
        self._jobs.clear()
        self._forgets = True
        return self._connection.execute(_TAKE_PUBLISHES_BACK.format(data=data)).rowcount

    def _make(self, writes: Sequence[beside.Write]) -> None:
        for statement, row in writes:
            self._connection.execute(statement, row)

    def _write_rows(self, statement: str, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            places = f"({', '.join('?' * len(some[0]))})"
            text = statement.format(rows=", ".join([places] * len(some)))
            self._connection.execute(text, tuple(chain.from_iterable(some)))

    def _name(self, statement: str, names: Sequence[str]) -> None:
        if names:
            self._connection.execute(statement, (to_json(names),))


def _changed(before: Job, after: Job) -> Sequence[Image]:
    return [new for new, old in zip(after.images, before.images, strict=True) if new is not old]

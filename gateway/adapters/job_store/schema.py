"""The tables, and how a file of an older version gets them.

`PRAGMA user_version` counts the migrations that a file has had; each is one transaction. A file from a newer
gateway and a file of another program are refused, not touched.

Jobs have an integer key of ours beside their id, in the order of their commits, and images and events lie at places
made of it (`place_of`): so rows are appended at the end of their tables, which SQLite does with full pages and few of
them, and what an accept costs does not grow with the jobs that are kept.
"""

import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from gateway.adapters.job_store.faults import UnusableJobStore
from gateway.domain.image_query import normal_keyword

Migration = Sequence[str]

_APPLICATION_ID = 0x67617465  # "gate", in the file's header
NUMBER_BITS = 24  # of a place: for more images, or events, than a job has

# `data` is the whole value as JSON; the other columns are what queries ask for. Times are microseconds, UTC.
_FIRST: Migration = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    f"""CREATE TABLE jobs (
        key INTEGER PRIMARY KEY,
        job_id TEXT NOT NULL UNIQUE,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        completed_at INTEGER,
        cancelled_at INTEGER,
        seq INTEGER NOT NULL,
        status TEXT NOT NULL,
        completed INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        cancelled INTEGER NOT NULL,
        open INTEGER NOT NULL,
        first_place INTEGER AS (key << {NUMBER_BITS}) VIRTUAL,
        last_place INTEGER AS ((key + 1 << {NUMBER_BITS}) - 1) VIRTUAL
    ) STRICT""",
    "CREATE INDEX jobs_by_status ON jobs (status)",  # and by key, as every index is
    "CREATE INDEX jobs_ended ON jobs (completed_at) WHERE completed_at IS NOT NULL",
    """CREATE TABLE images (
        place INTEGER PRIMARY KEY, stage TEXT NOT NULL, not_before INTEGER, published_at INTEGER, data TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX images_open ON images (stage, place, not_before, published_at) WHERE stage <> 'ended'",
    "CREATE TABLE events (place INTEGER PRIMARY KEY, data TEXT NOT NULL) STRICT",
    # As many rows as requests under way may use, so that no index is worth its upkeep.
    """CREATE TABLE reservations (
        trace_id TEXT PRIMARY KEY, deadline INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    # A list's total is read here: counting a hundred thousand rows for each page would be a scan.
    "CREATE TABLE tallies (status TEXT PRIMARY KEY, jobs INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """INSERT INTO tallies
        VALUES ('pending', 0), ('processing', 0), ('completed', 0), ('failed', 0), ('cancelled', 0)""",
    """CREATE TRIGGER job_added AFTER INSERT ON jobs BEGIN
        UPDATE tallies SET jobs = jobs + 1 WHERE status = NEW.status;
    END""",
    """CREATE TRIGGER job_moved AFTER UPDATE OF status ON jobs WHEN OLD.status <> NEW.status BEGIN
        UPDATE tallies SET jobs = jobs - 1 WHERE status = OLD.status;
        UPDATE tallies SET jobs = jobs + 1 WHERE status = NEW.status;
    END""",
    """CREATE TRIGGER job_deleted AFTER DELETE ON jobs BEGIN
        UPDATE tallies SET jobs = jobs - 1 WHERE status = OLD.status;
    END""",
)

STATUS_OF_ENDED = "json_extract(data, '$.status')"
"""Of an image that has ended, where it is always told; the index is of this very expression."""

KEYWORDS_OF_IMAGES = """
SELECT CAST(normal_keyword(value) AS TEXT) AS keyword, place FROM images, json_each(data, '$.metadata.keywords')
"""
"""As they stand in their own table, but for those of blanks alone, which are not there.

What a function gives has no type of its own, and with none SQLite would not look for it along an index. It cuts texts
of JSON at a NUL, which the words of images do not have (`gateway.images.embedded.characters`).
"""

_PARTS = 32  # of the images, each sorted on its own, in memory


def _fill_keywords(part: int) -> str:
    """Of the images of one part of the jobs, by their keys."""
    first, end = (
        f"(SELECT min(key) + (max(key) - min(key) + 1) * {number} / {_PARTS} << {NUMBER_BITS} FROM jobs)"  # noqa: S608
        for number in (part, part + 1)
    )
    return f"""INSERT OR IGNORE INTO keywords {KEYWORDS_OF_IMAGES}
        WHERE keyword <> '' AND place >= {first} AND place < {end} ORDER BY keyword, place"""


# For the search over all images. What an image is found by is written when it ends: an accept writes none of it.
_SECOND: Migration = (
    "ALTER TABLE jobs ADD COLUMN options TEXT",  # JSON; none: nothing was said
    """CREATE TABLE keywords (
        keyword TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (keyword, place)
    ) STRICT, WITHOUT ROWID""",
    *map(_fill_keywords, range(_PARTS)),
    f"CREATE INDEX images_ended ON images ({STATUS_OF_ENDED}) WHERE stage = 'ended'",
    "ALTER TABLE tallies ADD COLUMN images INTEGER NOT NULL DEFAULT 0",  # of those that have ended
    "UPDATE tallies SET images = (SELECT coalesce(sum(completed), 0) FROM jobs) WHERE status = 'completed'",
    "UPDATE tallies SET images = (SELECT coalesce(sum(failed), 0) FROM jobs) WHERE status = 'failed'",
    "UPDATE tallies SET images = (SELECT coalesce(sum(cancelled), 0) FROM jobs) WHERE status = 'cancelled'",
    """CREATE TRIGGER images_added AFTER INSERT ON jobs WHEN NEW.completed + NEW.failed + NEW.cancelled > 0 BEGIN
        UPDATE tallies SET images = images + NEW.completed WHERE status = 'completed';
        UPDATE tallies SET images = images + NEW.failed WHERE status = 'failed';
        UPDATE tallies SET images = images + NEW.cancelled WHERE status = 'cancelled';
    END""",
    """CREATE TRIGGER images_moved AFTER UPDATE OF open ON jobs WHEN OLD.open <> NEW.open BEGIN
        UPDATE tallies SET images = images + NEW.completed - OLD.completed
            WHERE status = 'completed' AND NEW.completed <> OLD.completed;
        UPDATE tallies SET images = images + NEW.failed - OLD.failed
            WHERE status = 'failed' AND NEW.failed <> OLD.failed;
        UPDATE tallies SET images = images + NEW.cancelled - OLD.cancelled
            WHERE status = 'cancelled' AND NEW.cancelled <> OLD.cancelled;
    END""",
    """CREATE TRIGGER images_deleted AFTER DELETE ON jobs BEGIN
        UPDATE tallies SET images = images - OLD.completed WHERE status = 'completed';
        UPDATE tallies SET images = images - OLD.failed WHERE status = 'failed';
        UPDATE tallies SET images = images - OLD.cancelled WHERE status = 'cancelled';
    END""",
)

# For jobs that are tried again, dead letters and idempotency keys.
_THIRD: Migration = (
    "ALTER TABLE jobs ADD COLUMN retry_of TEXT",
    "ALTER TABLE jobs ADD COLUMN started_at INTEGER",
    """UPDATE jobs SET started_at = (
        SELECT min(json_extract(data, '$.start_time')) FROM images WHERE place BETWEEN first_place AND last_place
    )""",
    # Of originals that more jobs than one work on: a job that tries others' images again, and those others.
    """CREATE TABLE shared_originals (
        object_key TEXT NOT NULL, job_key INTEGER NOT NULL, PRIMARY KEY (object_key, job_key)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX shared_originals_of_job ON shared_originals (job_key)",
    "CREATE TABLE retired (job_key INTEGER PRIMARY KEY) STRICT",  # jobs that are about to be removed
    """CREATE TABLE dead_letters (
        key INTEGER PRIMARY KEY, dead_letter_id TEXT NOT NULL UNIQUE, job_id TEXT NOT NULL, at INTEGER NOT NULL,
        data TEXT
    ) STRICT""",  # no data: it was taken away, and is not shown again if its message comes once more
    "CREATE INDEX dead_letters_shown ON dead_letters (key) WHERE data IS NOT NULL",
    "CREATE INDEX dead_letters_of_job ON dead_letters (job_id)",
    "CREATE INDEX dead_letters_by_time ON dead_letters (at)",
    """CREATE TABLE answers (
        idempotency_key TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, data TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX answers_by_expiry ON answers (expires_at)",
)

CONTENT_KEY = "substr(json_extract(data, '$.original.sha256'), 1, 16)"
"""Of an image: as much of its SHA-256 as tells nearly all contents apart, for the rest would triple the index."""
IS_ANALYSED = """stage = 'ended' AND json_extract(data, '$.processed_path') <> ''
    AND json_extract(data, '$.reused_from') IS NULL"""
"""Of an image: it has a tagged copy that was made for it. The index has those alone, so an accept writes none of it."""

# For images that are not analysed again.
_FOURTH: Migration = (
    f"CREATE INDEX images_analysed ON images ({CONTENT_KEY}) WHERE {IS_ANALYSED}",
    # Of tagged copies that jobs name beside the one whose image was analysed, and that one.
    """CREATE TABLE shared_processed (
        object_key TEXT NOT NULL, job_key INTEGER NOT NULL, PRIMARY KEY (object_key, job_key)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX shared_processed_of_job ON shared_processed (job_key)",
)

MIGRATIONS: Sequence[Migration] = (_FIRST, _SECOND, _THIRD, _FOURTH)


def place_of(key: int, number: int) -> int:
    """Where the job with that key has its image, or event, of that number."""
    return (key << NUMBER_BITS) + number


def add_functions(connection: sqlite3.Connection) -> None:
    """What migrations and statements call beside SQLite's own functions."""
    connection.create_function("normal_keyword", 1, normal_keyword, deterministic=True)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the file to the newest version, each step whole or not at all. Raises UnusableJobStore.

    The connection needs our functions.
    """
    version = version_of(connection, newest=len(migrations))
    _apply(connection, migrations, version)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        add_functions(model)
        _apply(model, migrations, 0)
        if _tables_of(connection) != _tables_of(model):
            raise UnusableJobStore(
                "The job store's file was made by another development version of the gateway, and nothing leads from "
                "there to this one: move it away."
            )


def _tables_of(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    tables = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name"
    return connection.execute(tables).fetchall()


def _apply(connection: sqlite3.Connection, migrations: Sequence[Migration], version: int) -> None:
    for number, migration in enumerate(migrations[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migration:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def version_of(connection: sqlite3.Connection, *, newest: int = len(MIGRATIONS)) -> int:
    """How many migrations the file has had; writes nothing. Raises UnusableJobStore for one that is not ours."""
    version, application = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("user_version", "application_id")
    )
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != _APPLICATION_ID and (tables or version or application):
        raise UnusableJobStore("The job store's file belongs to another program.")
    if version > newest:
        raise UnusableJobStore(
            f"The job store's file is of version {version}, made by a newer gateway; this one knows {newest}."
        )
    return version


def epoch_of(connection: sqlite3.Connection, path: Path) -> str:
    """The name of this log: drawn anew for a new file, and for one that was copied from elsewhere.

    A restored copy counts on from an older event, so its positions would be mistaken for others.
    """
    known = dict(connection.execute("SELECT name, value FROM meta WHERE name IN ('epoch', 'inode')"))
    inode = str(path.stat().st_ino)
    if "epoch" in known and known.get("inode") == inode:
        return str(known["epoch"])
    epoch = secrets.token_hex(8)
    connection.execute("REPLACE INTO meta VALUES ('epoch', ?), ('inode', ?)", (epoch, inode))
    return epoch

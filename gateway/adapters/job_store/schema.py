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

MIGRATIONS: Sequence[Migration] = (_FIRST,)


def place_of(key: int, number: int) -> int:
    """Where the job with that key has its image, or event, of that number."""
    return (key << NUMBER_BITS) + number


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the file to the newest version, each step whole or not at all. Raises UnusableJobStore."""
    version = version_of(connection, newest=len(migrations))
    _apply(connection, migrations, version)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
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

"""The file: opened by one process alone, made or migrated when needed, with connections to read and to write.

A lock file beside it, held by `flock` for as long as the store is open, keeps a second gateway out: its writer
would not know what this one's keeps in mind. The kernel lets go of it at any kind of death.
"""

import fcntl
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO

import structlog
from attrs import frozen

from gateway.adapters.job_store.durability import doubts, synchronous_of
from gateway.adapters.job_store.faults import UnusableJobStore, in_our_words
from gateway.adapters.job_store.schema import MIGRATIONS, add_functions, epoch_of, migrate, version_of
from gateway.adapters.job_store.settings import Synchronous
from gateway.errors import GatewayError, NoRoom
from gateway.file_system import make_folder

log = structlog.get_logger(__name__)

READERS, SEARCHERS = 2, 1
_STATEMENTS = 512  # kept compiled by a connection: the writer's few, for each number of rows
_WAL_KEPT_BYTES = 16 * 1024 * 1024  # a WAL that a burst let grow is cut back to this


@frozen
class Database:
    """An open file: `writer` is the only connection that writes and checkpoints (FAULTS: WAL reset bug).

    `searchers` are readers apart: a search may take long, and what the pipeline asks must not wait for it.
    `synchronous` is as the writer has it; `warnings` say what makes its commits worth less than promised.
    """

    writer: sqlite3.Connection
    readers: tuple[sqlite3.Connection, ...]
    searchers: tuple[sqlite3.Connection, ...]
    epoch: str
    next_key: int
    lock: IO[bytes]
    synchronous: str
    warnings: tuple[str, ...]

    def close(self) -> None:
        for connection in (*self.readers, *self.searchers, self.writer):
            connection.close()
        self.lock.close()


def open_database(path: Path, synchronous: Synchronous) -> Database:
    """Raises UnusableJobStore when another process has it, when it is damaged, not ours, or of a newer version."""
    try:
        return _open(path, synchronous)
    except GatewayError as error:
        error.detail = str(path)
        raise
    except sqlite3.Error as error:
        if isinstance(in_our_words(error), NoRoom):
            raise NoRoom("No room is left for the job store.", detail=f"{path}: {error}") from error
        text = "The job store's file can't be read: it is damaged, or its disk is."
        raise UnusableJobStore(text, detail=f"{path}: {error}") from error
    except OSError as error:
        raise UnusableJobStore("The job store's file can't be opened.", detail=str(error)) from error


def _open(path: Path, synchronous: Synchronous) -> Database:
    make_folder(path.parent)
    with ExitStack() as undo:
        lock = undo.enter_context(_lock(path))
        writer = undo.enter_context(closing(_connect(f"{path.absolute().as_uri()}?mode=rwc")))
        version = version_of(writer)  # before anything is written to a file that is not ours
        if 0 < version < len(MIGRATIONS):
            log.info("job store migrates", path=str(path), version=version, to=len(MIGRATIONS))
        _prepare(writer, synchronous)
        migrate(writer)
        epoch = epoch_of(writer, path)
        (newest,) = writer.execute("SELECT coalesce(max(key), 0) FROM jobs").fetchone()
        read_only = f"{path.absolute().as_uri()}?mode=ro"
        readers = [undo.enter_context(closing(_connect(read_only))) for _ in range(READERS + SEARCHERS)]
        warnings = tuple(doubts(writer, path))
        database = Database(
            writer,
            tuple(readers[:READERS]),
            tuple(readers[READERS:]),
            epoch,
            next_key=newest + 1,
            lock=lock,
            synchronous=synchronous_of(writer),
            warnings=warnings,
        )
        undo.pop_all()
    for warning in warnings:
        log.warning("accepted work is less safe than promised", reason=warning)
    return database


def _lock(path: Path) -> IO[bytes]:
    lock = path.with_name(f"{path.name}.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise UnusableJobStore("The job store is in use by another gateway.") from error
    return lock


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
    )
    add_functions(connection)
    return connection


def _prepare(writer: sqlite3.Connection, synchronous: Synchronous) -> None:
    (mode,) = writer.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise UnusableJobStore("The job store's disk does not support write-ahead logging.")
    writer.execute(f"PRAGMA synchronous = {synchronous}")
    writer.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
    # A container's /tmp may have no room for what a migration sorts.
    writer.execute("PRAGMA temp_store = MEMORY")

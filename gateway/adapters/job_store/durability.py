"""Whether what a commit promises holds on this file: asked once, of the open connection and of the kernel. It blocks.

A setting says what was wanted; SQLite may have been built, or a file made, so that it is otherwise.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.file_system import syncs_are_left_out, weaknesses

_SYNCHRONOUS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")
_ENOUGH: Final = ("FULL", "EXTRA")


def synchronous_of(writer: sqlite3.Connection) -> str:
    """As SQLite's documents call it: OFF, NORMAL, FULL or EXTRA."""
    (level,) = writer.execute("PRAGMA synchronous").fetchone()
    return _SYNCHRONOUS[level]


def doubts(writer: sqlite3.Connection, path: Path) -> Iterator[str]:
    """What makes a commit worth less than a 201 says: a sentence each, with what to do.

    Not the journal mode: a file that can't have WAL is not opened (`database.py`).
    """
    if (synchronous := synchronous_of(writer)) not in _ENOUGH:
        yield (
            f"the job store's synchronous is {synchronous}: a power cut takes the last commits, so that a 201 outlives "
            "a crash of the process alone. Set job_store.synchronous to full."
        )
    yield from weaknesses(path, "the job store's file", "job_store.path, data_dir")
    if syncs_are_left_out():
        yield (
            "libeatmydata is loaded in this process and leaves out every sync: a power cut may take or damage all that "
            "was accepted. Start the gateway without it (LD_PRELOAD)."
        )

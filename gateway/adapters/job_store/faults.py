"""What SQLite says when something breaks, in our words.

Disk faults (FULL, IOERR) roll back the whole transaction, whatever statement met them.
"""

import sqlite3

from gateway.errors import GatewayError, NoRoom, Unavailable

_BUGS = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    sqlite3.NotSupportedError,
)
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
"""The second where the index of the WAL has no room: when a file is opened that was closed in good order."""


class UnusableJobStore(Unavailable):
    """The job store's file can't be opened, and waiting won't help: an operator has to look."""

    default_code = "job_store_unusable"


def in_our_words(error: Exception) -> Exception:
    """One more exception for one more waiter; what is a bug of ours stays what it is."""
    if not isinstance(error, sqlite3.Error) or isinstance(error, _BUGS):
        return error
    name = getattr(error, "sqlite_errorname", "")
    if name in _FULL:
        return NoRoom("No room is left to store the job.", detail=f"{name}: {error}")
    return Unavailable("The job store does not work at the moment.", detail=f"{name}: {error}")


def fails_the_group(error: Exception) -> bool:
    """Whether nothing of the same group can have a better fate."""
    return isinstance(in_our_words(error), GatewayError)

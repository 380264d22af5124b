"""Whether a database refuses a write because its disk is full."""

import sqlite3
from typing import Final

#: PostgreSQL's error ``disk_full``.
_DISK_FULL: Final = "53100"
#: SQLite needs space for the log or, if the log is new, for its index.
_SQLITE_ERRORS: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})


def is_disk_full(error: BaseException) -> bool:
    """Return whether this database error, as Django raises it, means that the disk is full."""
    cause = error.__cause__
    return (
        getattr(cause, "sqlite_errorcode", None) in _SQLITE_ERRORS
        or getattr(cause, "sqlstate", None) == _DISK_FULL
    )

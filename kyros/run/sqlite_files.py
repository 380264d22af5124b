"""The files of the SQLite database, if the settings name one."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from django.conf import settings

_ENDINGS = ("", "-wal", "-shm")


def paths() -> list[Path]:
    """Return the paths of the database file and of those that SQLite keeps beside it; none for PostgreSQL."""
    database = settings.DATABASES["default"]
    if not database["ENGINE"].endswith("sqlite3"):
        return []
    return [Path(f"{database['NAME']}{ending}") for ending in _ENDINGS]


def checkpoint() -> None:
    """Move the write-ahead log into the database file, so that a copy of that file has every commit.

    The last process to close the database does it as well, but not one that was killed.
    """
    for file in filter(Path.exists, paths()[:1]):
        # If it fails, nothing is lost: the log stays, and the next start reads it.
        with suppress(sqlite3.Error), closing(sqlite3.connect(file)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

"""Whether this process can serve requests: what ``/readyz`` returns."""

import errno
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, TypeVar

from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from monitoring.engines import sqlite
from monitoring.timeouts import BoundedCall, TimeBudget, TimeBudgetExceeded

logger = logging.getLogger(__name__)

T = TypeVar("T")

_DATABASE_DOWN: Final = "the database does not respond"

#: Bytes for which SQLite's disk must have space.
_MIN_FREE_BYTES: Final = 64 * 1024

CacheState = Literal["up", "down", "disabled"]


@dataclass(frozen=True)
class Readiness:
    """Whether this process can serve requests.

    Args:
        reason: why it cannot; None if it can.
        cache: the state of the cache. It does not count: without it the database serves.
        writes: why writes fail; None if they need not. It does not count either: reads go on.
    """

    reason: str | None
    cache: CacheState
    writes: str | None


def readiness(cache_state: Callable[[], CacheState]) -> Readiness:
    """Return whether this process can serve requests. Servers that hang cost half a second together."""
    database, cache, budget = BoundedCall(_database_problem), BoundedCall(cache_state, "cache"), TimeBudget()
    disk = BoundedCall(_disk_problem)
    return Readiness(
        _result(database, budget, _DATABASE_DOWN),
        _result(cache, budget, "down"),
        _result(disk, budget, None),
    )


def _result(call: BoundedCall[T], budget: TimeBudget, default: T) -> T:
    try:
        return budget.result(call)
    except TimeBudgetExceeded:
        return default


def ping() -> None:
    """Run the smallest query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def unapplied_migrations(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the migrations of the installed code that a database lacks, as ``app.name``, in order."""
    applied = set(MigrationRecorder(connection).applied_migrations())
    return [".".join(key) for key in sorted(_installed_migrations() - applied)]


@cache
def _installed_migrations() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations or ())


def _database_problem() -> str | None:
    try:
        missing = unapplied_migrations(connection)
    except DatabaseError:
        # Only to the log: the server's message may contain its host name, and anyone may request /readyz.
        logger.warning("The database does not respond", exc_info=True)
        return _DATABASE_DOWN
    return f"migrations are not applied: {', '.join(missing)}" if missing else None


def _disk_problem() -> str | None:
    """Return why nothing can be written beside SQLite's file; PostgreSQL's directory is its server's own."""
    if connection.vendor != "sqlite":
        return None
    try:
        directory = sqlite.directory(connection)["directory"]
        with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
            return None if file.write(bytes(_MIN_FREE_BYTES)) == _MIN_FREE_BYTES else "the disk is full"
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return "the disk is full" if full else "the database's directory cannot be written to"

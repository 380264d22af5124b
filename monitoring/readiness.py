"""Whether this process can serve requests: what ``/readyz`` returns."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Final, Literal, TypeVar

from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from monitoring.timeouts import BoundedCall, TimeBudget, TimeBudgetExceeded

logger = logging.getLogger(__name__)

T = TypeVar("T")

_DATABASE_DOWN: Final = "the database does not respond"

CacheState = Literal["up", "down", "disabled"]


def readiness(cache_state: Callable[[], CacheState]) -> tuple[str | None, CacheState]:
    """Return why this process cannot serve requests (None if it can), and the state of the cache.

    The cache does not count: without it the database serves. Servers that hang cost half a second together.
    """
    database, cache, budget = BoundedCall(_database_problem), BoundedCall(cache_state, "cache"), TimeBudget()
    return _result(database, budget, _DATABASE_DOWN), _result(cache, budget, "down")


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

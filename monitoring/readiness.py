"""Whether this process can do its work: what `/readyz` answers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, TypeVar

from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from monitoring.limits import Look, Patience, TooSlowError

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SILENT: Final = "the database does not answer"

CacheState = Literal["up", "down", "disabled"]


@dataclass(frozen=True)
class Readiness:
    """What a load balancer has to know: `reason` is None when requests may be sent here."""

    reason: str | None
    cache: CacheState

    @property
    def ready(self) -> bool:
        """Return whether requests may be sent to this process."""
        return self.reason is None


def _no_cache() -> CacheState:
    return "disabled"


_cache_state: Callable[[], CacheState] = _no_cache


def register_cache(state: Callable[[], CacheState]) -> None:
    """Take `state`, which must never raise, as the way to ask after the cache; without one there is none."""
    global _cache_state  # noqa: PLW0603 - set once, while the applications are loaded
    _cache_state = state


def readiness() -> Readiness:
    """Return whether the database answers with every migration applied, and how the cache is.

    A lost cache is told and does not count: requests are then answered from the database. Servers that hang
    cost half a second together.
    """
    database, cache, patience = Look(_database_problem), Look(_cache_state, "cache"), Patience()
    return Readiness(
        reason=_answer(database, patience, _SILENT),
        cache=_answer(cache, patience, "down"),
    )


def _answer(look: Look[T], patience: Patience, otherwise: T) -> T:
    """Return a look's answer, or ``otherwise`` where it does not come."""
    try:
        return patience.answer(look)
    except TooSlowError:
        return otherwise


def ping() -> None:
    """Ask the database for nothing but an answer.

    Raises:
        django.db.Error: when it refuses.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _database_problem() -> str | None:
    try:
        missing = _required_migrations() - _applied_migrations()
    except DatabaseError:
        # The log has the address and the server's words; whoever may ask gets neither.
        logger.warning("The database does not answer", exc_info=True)
        return _SILENT
    if missing:
        return f"migrations are not applied: {', '.join('.'.join(key) for key in sorted(missing))}"
    return None


@cache
def _required_migrations() -> frozenset[tuple[str, str]]:
    """Return application and name of every migration of the installed code, which no process changes."""
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations or ())


def _applied_migrations() -> set[tuple[str, str]]:
    return set(MigrationRecorder(connection).applied_migrations())

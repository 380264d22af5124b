"""Locks of the partitions: DDL gives way to the clients of ``events``, and one run works at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.db.lock_retries import may_succeed_later, short_transaction, with_retries

T = TypeVar("T")


class TableIsLocked(Exception):
    """Some transaction kept a lock for so long that the partitions could not be changed."""

    def __init__(self) -> None:
        super().__init__(
            "A transaction uses the table events for longer than this run waits. Nothing is lost: end the "
            "transaction (see `sessions` in /monitoring/performance/database), or run this again later."
        )


#: How long a statement waits for its lock in each attempt, in seconds. All who use the table wait behind it.
#: The last attempts wait for longer than ``deadlock_timeout``, after which an autovacuum gives way.
WAITS: Final = (0.2,) * 55 + (1.5,) * 5
PAUSE_SECONDS: Final = 1.25

_TRY_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('partitions of events', 0))"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended('partitions of events', 0))"


def in_short_transaction(connection: BaseDatabaseWrapper, work: Callable[[Any], T]) -> T:
    """Run DDL in a transaction that gives way if it does not get its locks soon, and tries again.

    Args:
        connection: to the database, without an open transaction.
        work: runs the statements with the given cursor.

    Raises:
        TableIsLocked: if the locks were never free; nothing has changed.
    """

    def attempt(seconds: float) -> T:
        with short_transaction(connection, seconds) as cursor:
            return work(cursor)

    try:
        return with_retries(attempt, WAITS, PAUSE_SECONDS)
    except OperationalError as error:
        if not may_succeed_later(error):
            raise
        raise TableIsLocked from error


@contextmanager
def only_run(connection: BaseDatabaseWrapper) -> Iterator[bool]:
    """Yield whether no other process works on the partitions; while the block runs, none begins."""
    with connection.cursor() as cursor:
        cursor.execute(_TRY_LOCK)
        locked = bool(cursor.fetchone()[0])
    try:
        yield locked
    finally:
        # If the connection is lost, the lock is, too.
        with suppress(DatabaseError, InterfaceError):
            if locked:
                with connection.cursor() as cursor:
                    cursor.execute(_UNLOCK)

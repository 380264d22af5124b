"""Locks that nobody waits for long: a timeout and retries for DDL, and one run at a time."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import LockNotAvailable

T = TypeVar("T")


class TableIsLocked(Exception):
    """Some transaction kept a lock for so long that the partitions could not be changed."""

    def __init__(self) -> None:
        super().__init__(
            "A transaction uses the table events for longer than this run waits. Nothing is lost: end the "
            "transaction (see `sessions` in /monitoring/performance/database), or run this again later."
        )


#: How long a statement waits for its lock. Everybody else who uses the table waits behind it.
LOCK_TIMEOUT: Final = "200ms"
#: The last attempts wait for longer than ``deadlock_timeout``, after which an autovacuum gives way.
PATIENT_TIMEOUT: Final = "1500ms"
PATIENT_ATTEMPTS: Final = 5
#: Attempts to get a lock, and the most seconds between two of them.
MAX_ATTEMPTS: Final = 60
MAX_PAUSE: Final = 2.0

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
    for left in reversed(range(MAX_ATTEMPTS)):
        timeout = PATIENT_TIMEOUT if left < PATIENT_ATTEMPTS else LOCK_TIMEOUT
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{timeout}'")
                return work(cursor)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
        time.sleep(random.uniform(MAX_PAUSE / 4, MAX_PAUSE))  # noqa: S311 - no secret
    raise TableIsLocked


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

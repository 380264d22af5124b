"""Changes of the schema on PostgreSQL that give way to other clients.

A change that waits for a lock makes every later transaction on the table wait behind it, however short its
own work is. So it waits for a limited time, is rolled back, lets the others pass, and tries again
(https://www.postgresql.org/docs/18/runtime-config-client.html#GUC-LOCK-TIMEOUT).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

T = TypeVar("T")

#: The SQLSTATEs of lock_not_available and deadlock_detected.
_MAY_SUCCEED_LATER: Final = {"55P03", "40P01"}


def with_retries(
    change: Callable[[float], T],
    waits: Sequence[float],
    pause: float,
    report: Callable[[int], object] = bool,
) -> T:
    """Try a change until it gets its locks, and return its result.

    Args:
        change: makes one attempt that waits for a lock for the given seconds at most, by
            ``session_lock_timeout`` or ``short_transaction``.
        waits: these seconds, one value for each attempt; others wait behind it for as long.
        pause: the seconds between two attempts.
        report: called after each failed attempt that another one follows, with its number.

    Raises:
        OperationalError: no attempt got its locks, or something else failed.
    """
    *earlier, last = waits
    for attempt, seconds in enumerate(earlier, start=1):
        try:
            return change(seconds)
        except OperationalError as error:
            if not may_succeed_later(error):
                raise
        report(attempt)
        time.sleep(pause)
    return change(last)


def may_succeed_later(error: OperationalError) -> bool:
    """Return whether a statement failed because of the locks of others."""
    return getattr(error.__cause__, "sqlstate", None) in _MAY_SUCCEED_LATER


@contextmanager
def short_transaction(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[Any]:
    """Run the block in a transaction that limits how long a statement waits for a lock; yield its cursor.

    For a change that is one transaction: the connection stays, and so does an advisory lock of its session.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {_milliseconds(seconds)}")
        yield cursor


@contextmanager
def session_lock_timeout(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Limit how long each statement of the block waits for a lock; 0 for no limit.

    For migrations, which begin and end transactions of their own. Through pgbouncer in transaction mode the
    session's setting would reach other clients; after an error the connection is closed.
    """
    before = _set_lock_timeout(connection, str(_milliseconds(seconds)))
    try:
        yield
    except BaseException:
        _disconnect(connection)  # a script that failed may have left a transaction open
        raise
    _set_lock_timeout(connection, before)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _disconnect(connection: BaseDatabaseWrapper) -> None:
    if connection.connection is not None:
        connection.connection.close()  # or the pool would lend it with the session's setting
    connection.close()


def _set_lock_timeout(connection: BaseDatabaseWrapper, value: str) -> str:
    """Set the session's lock timeout and return the one before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [value])
    return str(before)

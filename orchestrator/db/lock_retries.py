"""Changes of the schema on PostgreSQL that give way to writers.

A change that waits for a lock makes every later transaction on the table wait behind it, however short its
own work is. So it waits for a limited time, is rolled back, lets the others pass, and tries again
(https://www.postgresql.org/docs/18/runtime-config-client.html#GUC-LOCK-TIMEOUT).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

T = TypeVar("T")

#: The SQLSTATEs of lock_not_available and deadlock_detected.
_MAY_SUCCEED_LATER: Final = {"55P03", "40P01"}
#: Others have this multiple of the time that they may have waited.
_PAUSE_FACTOR: Final = 2


@dataclass(frozen=True, kw_only=True)
class LockRetries:
    """How long a change of the schema waits for a lock, and how often.

    Args:
        seconds: how long it waits at most; others wait behind it for as long.
        attempts: how often it tries.
        report: called after each attempt in vain that another one follows, with its number.
    """

    seconds: float = 2.0
    attempts: int = 30
    report: Callable[[int], None]

    def run(self, connection: BaseDatabaseWrapper, change: Callable[[], T]) -> T:
        """Make a change that may be repeated, and return its result.

        Args:
            connection: a connection to PostgreSQL, outside a transaction.
            change: begins and ends its own transactions on the connection.

        Raises:
            OperationalError: there was no lock in any of the attempts, or something else failed.
        """
        for attempt in range(1, self.attempts):
            try:
                with lock_timeout(connection, self.seconds):
                    return change()
            except OperationalError as error:
                if not may_succeed_later(error):
                    raise
            self.report(attempt)
            time.sleep(self.seconds * _PAUSE_FACTOR)
        with lock_timeout(connection, self.seconds):
            return change()


def may_succeed_later(error: OperationalError) -> bool:
    """Return whether a statement failed because of the locks of others."""
    return getattr(error.__cause__, "sqlstate", None) in _MAY_SUCCEED_LATER


@contextmanager
def lock_timeout(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Limit how long each statement of the block waits for a lock; 0 for no limit.

    It is a setting of the session: through pgbouncer in transaction mode it would reach other clients.
    """
    before = _set_lock_timeout(connection, f"{round(seconds * 1000)}ms")
    try:
        yield
    except BaseException:
        _disconnect(connection)  # a script that failed may have left a transaction open
        raise
    _set_lock_timeout(connection, before)


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

"""What the protocol asks of the database: its history, and which transactions are over."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from django.db import DatabaseError, InterfaceError
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.cache.interface import CacheUnavailable

# PostgreSQL: every way to bring back older data changes one of these. Files can be replaced only while the
# server is stopped; a dump is loaded into another cluster, another database or, with --clean, another table.
# A crash, which loses commits where synchronous_commit is off, resets the statistics.
# SQLite: each write that the outbox's triggers see raises the number, so a restored file has a lower one.
_LOOK: Final = {
    "postgresql": (
        "SELECT EXISTS (SELECT FROM cache_outbox),"
        " concat_ws(':', pg_postmaster_start_time(), pg_stat_get_bgwriter_stat_reset_time(),"
        " (SELECT system_identifier FROM pg_control_system()),"
        " (SELECT oid FROM pg_database WHERE datname = current_database()), 'cache_outbox'::regclass::oid), 0"
    ),
    "sqlite": (
        "SELECT EXISTS (SELECT 1 FROM cache_outbox), '',"
        " (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'cache_outbox')"
    ),
}
_CURRENT_TRANSACTION: Final = "SELECT pg_current_xact_id()"
_OPEN_TRANSACTIONS: Final = (
    "SELECT backend_xid::text FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
    " UNION SELECT transaction::text FROM pg_prepared_xacts WHERE database = current_database()"
)
_STATUS: Final = "SELECT pg_xact_status(%s::text::xid8)"
#: The error for a transaction id that was not assigned yet: it belongs to a history that was restored away.
_INVALID_PARAMETER: Final = "22023"

#: Seconds that SQLite's write lock is waited for.
LOCK_WAIT: Final = 0.05


class History(NamedTuple):
    """What identifies a database's history.

    Args:
        identity: differs between two histories.
        number: never falls within one history.
    """

    identity: str
    number: int

    def continues(self, earlier: "History") -> bool:
        """Return whether this is the same history as earlier: no older data was brought back."""
        return self.identity == earlier.identity and self.number >= earlier.number


@contextmanager
def errors_as_unavailable() -> Iterator[None]:
    """Raise ``CacheUnavailable`` instead of the database's errors: without it the cache is not trusted."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise CacheUnavailable("the database does not respond") from error


def look(connection: BaseDatabaseWrapper) -> tuple[bool, History]:
    """Return whether the outbox holds rows, and the database's history."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK[connection.vendor])
        pending, identity, number = cursor.fetchone()
    return bool(pending), History(identity, number)


def current_transaction(connection: BaseDatabaseWrapper) -> str:
    """Return the open transaction's id; on SQLite an empty string."""
    if connection.vendor == "sqlite":
        return ""
    with connection.cursor() as cursor:
        cursor.execute(_CURRENT_TRANSACTION)
        return str(cursor.fetchone()[0])


def open_transactions(connection: BaseDatabaseWrapper) -> frozenset[str]:
    """Return the ids of the database's transactions that have written and are open, or prepared.

    On SQLite one transaction writes at a time and has no id: the result is one word while the write lock is
    not free.
    """
    if connection.vendor == "sqlite":
        with no_other_writer(connection) as alone:
            return frozenset() if alone else frozenset({"some"})
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_TRANSACTIONS)
        return frozenset(row[0] for row in cursor.fetchall())


def is_over(connection: BaseDatabaseWrapper, transaction: str) -> bool:
    """Return whether a transaction of PostgreSQL has been committed or rolled back, by its id."""
    if not transaction.isdecimal():
        return True  # other code wrote it
    try:
        with connection.cursor() as cursor:
            cursor.execute(_STATUS, [transaction])
            return bool(cursor.fetchone()[0] != "in progress")
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) == _INVALID_PARAMETER:
            return True
        raise


@contextmanager
def no_other_writer(connection: BaseDatabaseWrapper) -> Iterator[bool]:
    """Hold SQLite's write lock, if it is free within ``LOCK_WAIT`` seconds; yield whether it was.

    Not through Django's transactions: these wait in the queue of writers.
    """
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (timeout,) = cursor.fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {int(LOCK_WAIT * 1000)}")
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except DatabaseError:
            alone = False
        else:
            alone = True
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {int(timeout)}")
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("ROLLBACK")

"""The outbox: invalidations that wait in the database, in the table ``cache_outbox``.

A migration creates the table and the triggers that fill it; there is no model. On PostgreSQL a row holds the
tags of one statement and its transaction, on SQLite one tag. No function here opens a transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

_EXISTS: Final = {
    "postgresql": "SELECT to_regclass('cache_outbox') IS NOT NULL",
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'cache_outbox'",
}
# On SQLite one transaction writes at a time. It takes all rows: its own, and earlier ones, which it thereby
# drains.
_FROM_OWN: Final = {
    "postgresql": "FROM cache_outbox WHERE transaction = pg_current_xact_id_if_assigned()",
    "sqlite": "FROM cache_outbox",
}
SELECT_OWN: Final = {vendor: f"SELECT id, tags {rows}" for vendor, rows in _FROM_OWN.items()}
_TAKE: Final = {vendor: f"DELETE {rows} RETURNING id, tags, created_at" for vendor, rows in _FROM_OWN.items()}
_PUT_BACK: Final = {
    "postgresql": (
        "INSERT INTO cache_outbox (id, tags, created_at) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s)"
    ),
    "sqlite": "INSERT INTO cache_outbox (id, tags, created_at) VALUES (%s, %s, %s)",
}
_PRUNE: Final = {
    "postgresql": "DELETE FROM cache_outbox WHERE created_at < clock_timestamp() - make_interval(secs => %s)",
    "sqlite": (
        "DELETE FROM cache_outbox"
        " WHERE created_at < strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', -%s || ' seconds')"
    ),
}
#: Rows that are counted at most: while the relay is down their number grows without limit.
MAX_ROWS_COUNTED: Final = 100_000
_AGE: Final = {
    "postgresql": "extract(epoch FROM clock_timestamp() - created_at)",
    "sqlite": "(julianday('now') - julianday(created_at)) * 86400",
}
SELECT_LAST_ID: Final = "SELECT max(id) FROM cache_outbox"
SELECT_PENDING: Final = "SELECT id, tags FROM cache_outbox ORDER BY id LIMIT %s"


@dataclass(frozen=True)
class OutboxRows:
    """Rows of the outbox.

    Args:
        rows: id and tags of each, and of a row that was taken also its timestamp.
    """

    rows: Sequence[Sequence[Any]]

    @property
    def ids(self) -> tuple[int, ...]:
        """Return the rows' ids."""
        return tuple(row[0] for row in self.rows)

    @cached_property
    def tags(self) -> frozenset[str]:
        """Return the tags of all rows."""
        values = (row[1] for row in self.rows)
        return frozenset(tag for value in values for tag in ([value] if isinstance(value, str) else value))


NO_ROWS: Final = OutboxRows(())


def exists(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the table exists; before its migration it does not."""
    with connection.cursor() as cursor:
        cursor.execute(_EXISTS[connection.vendor])
        return bool(cursor.fetchone()[0])


def own(connection: BaseDatabaseWrapper) -> OutboxRows:
    """Return the rows that the open transaction's statements appended."""
    return _select(connection, SELECT_OWN[connection.vendor], [])


def take(connection: BaseDatabaseWrapper) -> OutboxRows:
    """Delete the rows that the open transaction's statements appended, and return them."""
    return _select(connection, _TAKE[connection.vendor], [])


def put_back(connection: BaseDatabaseWrapper, taken: OutboxRows) -> None:
    """Insert rows again that the open transaction has taken, with their ids and timestamps."""
    with connection.cursor() as cursor:
        cursor.executemany(_PUT_BACK[connection.vendor], taken.rows)


def append(connection: BaseDatabaseWrapper, tags: Iterable[str]) -> int:
    """Append tags in the open transaction; return the id of the last row."""
    rows = [sorted(tags)] if connection.vendor == "postgresql" else sorted(tags)
    last = 0
    with connection.cursor() as cursor:
        for row in rows:
            cursor.execute("INSERT INTO cache_outbox (tags) VALUES (%s) RETURNING id", [row])
            last = cursor.fetchone()[0]
    return last


def pending(connection: BaseDatabaseWrapper, limit: int) -> OutboxRows:
    """Return the oldest rows, at most ``limit`` of them."""
    return _select(connection, SELECT_PENDING, [limit])


def last_id(connection: BaseDatabaseWrapper) -> int | None:
    """Return the id of the newest row; None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(SELECT_LAST_ID)
        newest: int | None = cursor.fetchone()[0]
    return newest


def contains(connection: BaseDatabaseWrapper, row_id: int) -> bool:
    """Return whether a row still exists."""
    with connection.cursor() as cursor:
        cursor.execute("/* waiting */ SELECT 1 FROM cache_outbox WHERE id = %s", [row_id])
        return cursor.fetchone() is not None


def remove(connection: BaseDatabaseWrapper, ids: tuple[int, ...]) -> None:
    """Delete rows whose tags were invalidated."""
    if not ids:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DELETE FROM cache_outbox WHERE id = ANY(%s)", [list(ids)])
        else:
            cursor.executemany("DELETE FROM cache_outbox WHERE id = %s", [(row_id,) for row_id in ids])


def prune(connection: BaseDatabaseWrapper, seconds: int) -> None:
    """Delete rows older than so many seconds: the entries that they invalidate have expired."""
    with connection.cursor() as cursor:
        cursor.execute(_PRUNE[connection.vendor], [seconds])


def backlog(connection: BaseDatabaseWrapper) -> tuple[int, float]:
    """Return the number of rows, up to ``MAX_ROWS_COUNTED``, and the age of the oldest in seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM cache_outbox LIMIT %s) AS waiting", [MAX_ROWS_COUNTED]
        )
        length = cursor.fetchone()[0]
        age = f"SELECT {_AGE[connection.vendor]} FROM cache_outbox ORDER BY id LIMIT 1"  # noqa: S608 - ours
        cursor.execute(age)
        first = cursor.fetchone()
    return length, max(0.0, float(first[0])) if first else 0.0


def _select(connection: BaseDatabaseWrapper, query: str, parameters: list[Any]) -> OutboxRows:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return OutboxRows(cursor.fetchall())

"""Invalidations that wait in the database, in the table ``cache_outbox``.

The table is the triggers', made by a migration, and no model: on PostgreSQL a row holds a statement's
tags and its transaction, on SQLite one tag. Nothing here opens a transaction; the callers do.
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
# On SQLite, where one transaction writes at a time, whatever is there is this one's to take: its own rows,
# and those that others left and that are hereby drained too.
_FROM_OWN: Final = {
    "postgresql": "FROM cache_outbox WHERE transaction = pg_current_xact_id_if_assigned()",
    "sqlite": "FROM cache_outbox",
}
OWN: Final = {vendor: f"SELECT id, tags {rows}" for vendor, rows in _FROM_OWN.items()}
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
#: Rows that are counted at most: behind a server that was away for days there are very many.
COUNTED_AT_MOST: Final = 100_000
_AGE: Final = {
    "postgresql": "extract(epoch FROM clock_timestamp() - created_at)",
    "sqlite": "(julianday('now') - julianday(created_at)) * 86400",
}
PENDING: Final = "SELECT id, tags FROM cache_outbox ORDER BY id LIMIT %s"


@dataclass(frozen=True)
class Pending:
    """Rows of the outbox, as the database has them: an id, what it names, and, of a row taken, its time."""

    rows: Sequence[Sequence[Any]]

    @property
    def ids(self) -> tuple[int, ...]:
        """Return the rows' ids."""
        return tuple(row[0] for row in self.rows)

    @cached_property
    def tags(self) -> frozenset[str]:
        """Return the tags that the rows name."""
        named = (row[1] for row in self.rows)
        return frozenset(tag for each in named for tag in ([each] if isinstance(each, str) else each))


NOTHING: Final = Pending(())


def exists(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether the table is there; before its migration it is not."""
    with connection.cursor() as cursor:
        cursor.execute(_EXISTS[connection.vendor])
        return bool(cursor.fetchone()[0])


def own(connection: BaseDatabaseWrapper) -> Pending:
    """Return what the statements of the open transaction appended."""
    return _pending(connection, OWN[connection.vendor], [])


def take(connection: BaseDatabaseWrapper) -> Pending:
    """Remove what the statements of the open transaction appended, and return it."""
    return _pending(connection, _TAKE[connection.vendor], [])


def put_back(connection: BaseDatabaseWrapper, taken: Pending) -> None:
    """Append again, as they were, rows that were taken in the open transaction."""
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


def pending(connection: BaseDatabaseWrapper, limit: int) -> Pending:
    """Return the oldest rows, at most ``limit`` of them."""
    return _pending(connection, PENDING, [limit])


def holds(connection: BaseDatabaseWrapper, row_id: int) -> bool:
    """Tell whether a row is still there."""
    with connection.cursor() as cursor:
        cursor.execute("/* waiting */ SELECT 1 FROM cache_outbox WHERE id = %s", [row_id])
        return cursor.fetchone() is not None


def remove(connection: BaseDatabaseWrapper, ids: tuple[int, ...]) -> None:
    """Remove rows whose tags were made stale."""
    if not ids:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DELETE FROM cache_outbox WHERE id = ANY(%s)", [list(ids)])
        else:
            cursor.executemany("DELETE FROM cache_outbox WHERE id = %s", [(row_id,) for row_id in ids])


def prune(connection: BaseDatabaseWrapper, seconds: int) -> None:
    """Remove rows older than so many seconds: what they would make stale has outlived its time by itself."""
    with connection.cursor() as cursor:
        cursor.execute(_PRUNE[connection.vendor], [seconds])


def backlog(connection: BaseDatabaseWrapper) -> tuple[int, float]:
    """Return how many rows wait, up to ``COUNTED_AT_MOST``, and the age of the first in seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM cache_outbox LIMIT %s) AS waiting", [COUNTED_AT_MOST]
        )
        length = cursor.fetchone()[0]
        age = f"SELECT {_AGE[connection.vendor]} FROM cache_outbox ORDER BY id LIMIT 1"  # noqa: S608 - ours
        cursor.execute(age)
        first = cursor.fetchone()
    return length, max(0.0, float(first[0])) if first else 0.0


def _pending(connection: BaseDatabaseWrapper, query: str, parameters: list[Any]) -> Pending:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return Pending(cursor.fetchall())

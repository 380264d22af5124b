"""The partitions of ``events``, as PostgreSQL's catalog has them.

A comment on each table says what it is, because a partition that was detached looks like any other table.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from django.db.backends.base.base import BaseDatabaseWrapper

#: The comments. A table with the first one that is not attached was detached, but is still in the counts.
PARTITION: Final = "a partition of events"
DETACHED: Final = "a detached partition of events, to be dropped when it is archived"

PartitionState = Literal["attached", "detaching", "uncounted", "detached"]

_IS_PARTITIONED: Final = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('events')"
_ATTACHED: Final = r"""
    SELECT child.relname,
           CASE WHEN inherits.inhdetachpending THEN 'detaching' ELSE 'attached' END,
           (regexp_match(bounds, 'FROM \(''([^'']+)''\)'))[1]::timestamptz,
           (regexp_match(bounds, 'TO \(''([^'']+)''\)'))[1]::timestamptz AS upper
    FROM pg_inherits AS inherits JOIN pg_class AS child ON child.oid = inherits.inhrelid
    CROSS JOIN LATERAL pg_get_expr(child.relpartbound, child.oid) AS bounds
    WHERE inherits.inhparent = to_regclass('events')
    ORDER BY upper
"""
_ALONE: Final = """
    SELECT relname, CASE description WHEN %s THEN 'uncounted' ELSE 'detached' END, NULL, NULL
    FROM pg_class
    JOIN pg_description ON objoid = oid AND classoid = 'pg_class'::regclass AND objsubid = 0
    WHERE description IN (%s, %s) AND relkind = 'r' AND NOT relispartition AND pg_table_is_visible(oid)
    ORDER BY relname
"""


@dataclass(frozen=True)
class Partition:
    """A partition of ``events``, or a table that was one.

    Args:
        name: the table's name.
        state: ``detaching``: a DETACH was interrupted. ``uncounted``: it is detached, but its rows are still
            in the counts. ``detached``: it waits for the archive.
        lower: where its range begins; None if it has no beginning, or for a detached one.
        upper: where its range ends, exclusive; None for a detached one.
    """

    name: str
    state: PartitionState
    lower: datetime | None = None
    upper: datetime | None = None


def is_partitioned(connection: BaseDatabaseWrapper) -> bool:
    """Return whether ``events`` is a partitioned table."""
    return connection.vendor == "postgresql" and any(row[0] for row in _rows(connection, _IS_PARTITIONED))


def partitions(connection: BaseDatabaseWrapper) -> tuple[Partition, ...]:
    """Return the attached partitions, the oldest first, and then the others."""
    rows = _rows(connection, _ATTACHED) + _rows(connection, _ALONE, [PARTITION, PARTITION, DETACHED])
    return tuple(Partition(*row) for row in rows)


def has_rows(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Return whether a table has a row."""
    return bool(_rows(connection, f"SELECT EXISTS (SELECT FROM {table})")[0][0])  # noqa: S608 - our own name


def count_rows(connection: BaseDatabaseWrapper, table: str) -> int:
    """Count the rows of a table."""
    return int(_rows(connection, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - our own name


def free_name(connection: BaseDatabaseWrapper, wanted: str) -> str:
    """Return a name that no table has: the wanted one, or that with a number."""
    number, name = 1, wanted
    while _rows(connection, "SELECT to_regclass(%s) IS NOT NULL", [name])[0][0]:
        number += 1
        name = f"{wanted}_{number}"
    return name


def _rows(connection: BaseDatabaseWrapper, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())

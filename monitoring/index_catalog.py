"""The database's catalog: existing indexes, and the planner's estimate of a table's rows."""

import json
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

_INDEXES_SQL: Final = {
    # Indexes of partitions are left out: their parent's index stands for them, valid only if all of them are.
    "postgresql": """
        SELECT index_class.relname, table_class.relname,
               array(SELECT pg_get_indexdef(index_state.indexrelid, position, true)
                     FROM generate_series(1, index_state.indnkeyatts) AS position),
               index_state.indisunique, index_state.indisprimary, index_state.indpred IS NOT NULL,
               index_state.indisvalid
        FROM pg_index AS index_state
        JOIN pg_class AS index_class ON index_class.oid = index_state.indexrelid
        JOIN pg_class AS table_class ON table_class.oid = index_state.indrelid
        JOIN pg_namespace AS namespace ON namespace.oid = table_class.relnamespace
        WHERE NOT index_class.relispartition AND pg_table_is_visible(table_class.oid)
          AND namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        ORDER BY 2, 1
    """,
    "sqlite": """
        SELECT listed.name, tables.name,
               (SELECT json_group_array(coalesce(part.name, '')) FROM pragma_index_info(listed.name) AS part),
               listed."unique", listed.origin = 'pk', listed.partial, 1
        FROM sqlite_schema AS tables, pragma_index_list(tables.name) AS listed
        WHERE tables.type = 'table'
        ORDER BY 2, 1
    """,
}

_ROWS_SQL: Final = {
    # A partitioned table has no count of its own: add up its leaves. -1: the table was never analyzed.
    "postgresql": """
        SELECT sum(nullif(table_class.reltuples, -1))
        FROM pg_class AS table_class
        WHERE table_class.oid = to_regclass(%s)
           OR table_class.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(%s)) WHERE isleaf)
    """,
    "sqlite": "SELECT max(CAST(stat AS integer)) FROM sqlite_stat1 WHERE tbl = %s AND %s <> ''",
}
_HAS_STATISTICS_SQL: Final = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'"


@dataclass(frozen=True)
class Index:
    """An index in the database.

    Args:
        name: its name; the index of a partitioned table stands for those of the partitions.
        table: the table.
        columns: columns or expressions in order, as the database writes them.
        unique: whether it is unique.
        primary: whether it belongs to the primary key.
        partial: whether it contains some rows only.
        valid: whether queries can use it.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    _: KW_ONLY
    unique: bool = False
    primary: bool = False
    partial: bool = False
    valid: bool = True

    def is_prefix_of(self, other: "Index") -> bool:
        """Return whether the other index begins with all columns of this one and can replace it."""
        return (
            self.table == other.table
            and len(self.columns) < len(other.columns)
            and other.columns[: len(self.columns)] == self.columns
            and not (self.partial or other.partial or self.unique)
        )


def existing_indexes(connection: BaseDatabaseWrapper) -> tuple[Index, ...]:
    """Return every index of the visible tables, ordered by table and name."""
    return tuple(
        Index(
            name,
            table,
            _columns(columns),
            unique=bool(unique),
            primary=bool(primary),
            partial=bool(partial),
            valid=bool(valid),
        )
        for name, table, columns, unique, primary, partial, valid in fetch_rows(
            connection, _INDEXES_SQL[connection.vendor]
        )
    )


def estimated_rows(connection: BaseDatabaseWrapper, table: str) -> int | None:
    """Return the planner's estimate of a table's rows; None if the table was never analyzed."""
    if connection.vendor == "sqlite" and not fetch_rows(connection, _HAS_STATISTICS_SQL)[0][0]:
        return None
    rows = fetch_rows(connection, _ROWS_SQL[connection.vendor], [table, table])[0][0]
    return None if rows is None else int(rows)


def fetch_rows(connection: BaseDatabaseWrapper, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _columns(listed: list[str] | str) -> tuple[str, ...]:
    columns = json.loads(listed) if isinstance(listed, str) else listed
    return tuple(column.strip('"') for column in columns)

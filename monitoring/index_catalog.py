"""The database's catalog of indexes."""

import json
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.engines.query import fetch

_INDEXES_SQL: Final = {
    "postgresql": """
        SELECT index_class.relname AS name, table_class.relname AS table,
               array(SELECT pg_get_indexdef(index_state.indexrelid, position, true)
                     FROM generate_series(1, index_state.indnkeyatts) AS position) AS columns,
               indisunique AS unique, indisprimary AS primary, indpred IS NOT NULL AS partial,
               indisvalid AS valid,
               CASE WHEN index_class.relispartition THEN
                    (SELECT relname FROM pg_class WHERE oid = pg_partition_root(index_class.oid))
               END AS partition_of
        FROM pg_index AS index_state
        JOIN pg_class AS index_class ON index_class.oid = index_state.indexrelid
        JOIN pg_class AS table_class ON table_class.oid = index_state.indrelid
        JOIN pg_namespace AS namespace ON namespace.oid = table_class.relnamespace
        WHERE pg_table_is_visible(table_class.oid)
          AND namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        ORDER BY 2, 1
    """,
    "sqlite": """
        SELECT listed.name, tables.name AS "table",
               (SELECT json_group_array(coalesce(part.name, '')) FROM pragma_index_info(listed.name) AS part)
               AS columns,
               listed."unique", listed.origin = 'pk' AS "primary", listed.partial
        FROM sqlite_schema AS tables, pragma_index_list(tables.name) AS listed
        WHERE tables.type = 'table'
        ORDER BY 2, 1
    """,
}


@dataclass(frozen=True)
class Index:
    """An index in the database.

    Args:
        columns: columns or expressions in order, as the database writes them.
        primary: whether it belongs to the primary key.
        partial: whether it contains some rows only.
        valid: whether queries can use it.
        partition_of: for the index of a partition: the index of the partitioned table that it is part of.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    _: KW_ONLY
    unique: bool = False
    primary: bool = False
    partial: bool = False
    valid: bool = True
    partition_of: str | None = None

    def is_prefix_of(self, other: "Index") -> bool:
        """Return whether the other index begins with all columns of this one and can replace it."""
        return (
            self.table == other.table
            and len(self.columns) < len(other.columns)
            and other.columns[: len(self.columns)] == self.columns
            and not (self.partial or other.partial or self.unique)
        )


def existing_indexes(connection: BaseDatabaseWrapper) -> tuple[Index, ...]:
    """Return every index of the visible tables, ordered by table and name.

    Indexes of partitions are left out: the index of their parent stands for them, valid only if all of them
    are.
    """
    return tuple(index for index in all_indexes(connection) if index.partition_of is None)


def all_indexes(connection: BaseDatabaseWrapper) -> tuple[Index, ...]:
    """Return every index of the visible tables, those of partitions included."""
    rows = fetch(connection, _INDEXES_SQL[connection.vendor])
    return tuple(Index(**{**row, "columns": _columns(row["columns"])}) for row in rows)


def _columns(listed: list[str] | str) -> tuple[str, ...]:
    columns: list[Any] = json.loads(listed) if isinstance(listed, str) else listed
    return tuple(column.strip('"') for column in columns)

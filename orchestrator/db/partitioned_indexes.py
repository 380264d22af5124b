"""Indexes of partitioned tables, which PostgreSQL cannot build ``CONCURRENTLY`` in one statement."""

from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from orchestrator.db.lock_retries import session_lock_timeout

_IS_PARTITIONED: Final = "SELECT 1 FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'p'"
_EXISTS: Final = "SELECT to_regclass(%s) IS NOT NULL"
_DEFINITION: Final = "SELECT pg_get_indexdef(to_regclass(%s))"
_PARTITIONS_WITHOUT: Final = """
    SELECT part.relname FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid
    WHERE inhparent = to_regclass(%s) AND part.oid NOT IN (
        SELECT indrelid FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid
        WHERE inhparent = to_regclass(%s)
    )
    ORDER BY part.relname
"""
#: Bytes of a name in PostgreSQL.
_MAX_NAME: Final = 63


def is_partitioned(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Return whether a table is partitioned."""
    return connection.vendor == "postgresql" and bool(_rows(connection, _IS_PARTITIONED, [table]))


def build(editor: BaseDatabaseSchemaEditor, table: str, index: str, create: str) -> None:
    """Build an index on each partition without blocking writers; go on where an earlier call stopped.

    The index of the table itself is valid once every partition has its part.

    Args:
        editor: outside a transaction.
        table: the partitioned table.
        index: the index's name.
        create: its ``CREATE INDEX`` statement.
    """
    if not _rows(editor.connection, _EXISTS, [index])[0][0]:
        editor.execute(create.replace(" ON ", " ON ONLY ", 1))
    start, _, definition = _rows(editor.connection, _DEFINITION, [index])[0][0].partition(" USING ")
    unique = "UNIQUE " if start.startswith("CREATE UNIQUE") else ""
    for (partition,) in _rows(editor.connection, _PARTITIONS_WITHOUT, [table, index]):
        part = f"{index}_{partition.removeprefix(table).strip('_')}"[-_MAX_NAME:]
        with session_lock_timeout(editor.connection, 0):  # it waits for writers, and none waits behind it
            editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {part}")
            editor.execute(f"CREATE {unique}INDEX CONCURRENTLY {part} ON {partition} USING {definition}")
        editor.execute(f"ALTER INDEX {index} ATTACH PARTITION {part}")


def _rows(connection: BaseDatabaseWrapper, sql: str, parameters: list[str]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())

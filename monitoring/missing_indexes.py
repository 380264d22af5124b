"""Indexes that a model declares and the database lacks."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Index, Model

from monitoring import engines
from monitoring.table_statistics import TableFigures

#: Bytes of a name in PostgreSQL.
_MAX_NAME: Final = 63


class MissingIndex(NamedTuple):
    """A missing index, and the SQL that creates it without blocking writers where the engine can."""

    table: str
    name: str
    sql: str


def missing_indexes(
    connection: BaseDatabaseWrapper, measured: Sequence[TableFigures]
) -> tuple[MissingIndex, ...]:
    """Return the declared indexes that the measured tables lack."""
    existing = {table.name: {index.name for index in table.indexes} for table in measured if table.exists}
    return tuple(
        MissingIndex(table, index.name, _create_sql(connection, model, index))
        for model in apps.get_models()
        if (table := model._meta.db_table) in existing
        for index in model._meta.indexes
        if index.name not in existing[table]
    )


def app_of(table: str) -> str | None:
    """Return the label of the Django application with the table's model; None without a model."""
    return next((m._meta.app_label for m in apps.get_models() if m._meta.db_table == table), None)


def _create_sql(connection: BaseDatabaseWrapper, model: type[Model], index: Index) -> str:
    table = model._meta.db_table
    # collect_sql: the editor runs nothing.
    editor = connection.SchemaEditorClass(connection, collect_sql=True, atomic=False)
    if connection.vendor != "postgresql":
        # Without statistics of an index SQLite's planner prefers those it has statistics of.
        return f"{index.create_sql(model, editor)}; ANALYZE {table};"
    options: dict[str, Any] = {"concurrently": True}
    sql = str(index.create_sql(model, editor, **options))
    partitions = engines.of(connection).partitions(connection, table)
    return _on_partitions(sql, table, index.name, partitions) if partitions else f"{sql};"


def _on_partitions(sql: str, table: str, index: str, partitions: Sequence[str]) -> str:
    """Return the SQL for a partitioned table, whose own index PostgreSQL cannot build CONCURRENTLY."""
    start, _, columns = sql.partition(f' ON "{table}" ')
    create = start.removesuffix(f'"{index}"')
    parent = create.replace("CONCURRENTLY", "IF NOT EXISTS")  # an action that was broken off has made it
    statements = [f'{parent}"{index}" ON ONLY "{table}" {columns};']
    for partition in partitions:
        part = f"{index}_{partition.removeprefix(table).strip('_')}"[-_MAX_NAME:]
        statements.append(f'{create}"{part}" ON "{partition}" {columns};')
        statements.append(f'ALTER INDEX "{index}" ATTACH PARTITION "{part}";')
    return " ".join(statements)

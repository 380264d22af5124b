"""Indexes that a model declares and the database lacks."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Index, Model

from monitoring.table_statistics import TableFigures


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
    # collect_sql: the editor runs nothing.
    editor = connection.SchemaEditorClass(connection, collect_sql=True, atomic=False)
    postgresql = connection.vendor == "postgresql"
    options: dict[str, Any] = {"concurrently": True} if postgresql else {}
    # Without statistics of an index SQLite's planner prefers those it has statistics of.
    analyze = "" if postgresql else f" ANALYZE {model._meta.db_table};"
    return f"{index.create_sql(model, editor, **options)};{analyze}"

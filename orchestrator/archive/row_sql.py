"""The SQL of the archive's rows: the columns of a table, and what differs between the engines."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, TypeAlias

import orjson
from django.db import DEFAULT_DB_ALIAS, connections, models

from orchestrator.models import Event, Job

#: The values of all columns, the same on both engines: UUIDs as 32 hexadecimal digits, timestamps in UTC,
#: JSON as the text that the database keeps.
Row: TypeAlias = tuple[Any, ...]

_Field: TypeAlias = "models.Field[Any, Any]"

_MODELS: Final[dict[str, type[models.Model]]] = {"events": Event, "jobs": Job}

#: The tables that can be archived.
TABLES: Final = tuple(_MODELS)

#: SQL after the name of a column: the condition that it is one of the ids of ``id_list``.
IS_ONE_OF: Final = {"postgresql": "= ANY(%s::uuid[])", "sqlite": "IN (SELECT value FROM json_each(%s))"}

# A restored event is not new to the event stream: it has no transaction, or a row before all others.
_OLD_EVENT: Final = {
    "postgresql": ("transaction", "NULL"),
    "sqlite": ("rowid", "(SELECT coalesce(min(rowid), 1) - 1 FROM events)"),
}
_ARRAY_TYPES: Final[tuple[tuple[type[Any], str], ...]] = (
    (models.UUIDField, "uuid"),
    (models.DateTimeField, "timestamptz"),
    (models.BooleanField, "boolean"),
    (models.IntegerField, "bigint"),
)


@cache
def columns(table: str) -> dict[str, _Field]:
    """Return the fields of a table's columns, by the columns' names. The id is the first column of a row."""
    fields = sorted(_MODELS[table]._meta.concrete_fields, key=lambda field: not field.primary_key)
    return {str(field.column): field for field in fields}


def vendor() -> str:
    """Return the name of the default database's engine."""
    return connections[DEFAULT_DB_ALIAS].vendor


def id_list(ids: Iterable[str]) -> Any:
    """Return ids as the parameter of ``IS_ONE_OF``."""
    return list(ids) if vendor() == "postgresql" else orjson.dumps(list(ids)).decode()


def timestamp(value: datetime) -> Any:
    """Return a timestamp as a parameter."""
    return connections[DEFAULT_DB_ALIAS].ops.adapt_datetimefield_value(value)


def from_sqlite(value: Any) -> Any:
    """Return a value of SQLite's driver, whose timestamps have no time zone, as a row has it."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def for_sqlite(row: Row) -> list[Any]:
    """Return the values of a row as SQLite's driver takes them."""
    return [timestamp(value) if isinstance(value, datetime) else value for value in row]


@cache
def select_list(table: str, engine: str) -> str:
    """Return the expressions that select a row."""
    return ", ".join(_selected(field, engine) for field in columns(table).values())


def _selected(field: _Field, engine: str) -> str:
    if engine == "postgresql" and isinstance(field, models.UUIDField):
        return f"replace({field.column}::text, '-', '')"
    if engine == "postgresql" and isinstance(field, models.JSONField):
        return f"{field.column}::text"
    return str(field.column)


@cache
def insert_sql(table: str, names: tuple[str, ...], engine: str) -> str:
    """Return the INSERT of rows whose id does not exist.

    Its parameters are one array for each column on PostgreSQL, the values of one row on SQLite.
    """
    into, values = list(names), [_inserted(columns(table)[name], engine) for name in names]
    if table == "events":
        into.append(_OLD_EVENT[engine][0])
        values.append(_OLD_EVENT[engine][1])
    statement = f"INSERT INTO {table} ({', '.join(into)})"
    if engine == "sqlite":
        return f"{statement} VALUES ({', '.join(values)}) ON CONFLICT DO NOTHING"
    arrays = ", ".join(f"%s::{_array_type(columns(table)[name])}[]" for name in names)
    rows = f"unnest({arrays}) AS archived ({', '.join(names)})"
    return f"{statement} SELECT {', '.join(values)} FROM {rows} ON CONFLICT DO NOTHING"  # noqa: S608 - our own names


def _inserted(field: _Field, engine: str) -> str:
    if engine == "sqlite":
        return "%s"
    return f"{field.column}::json" if isinstance(field, models.JSONField) else str(field.column)


def _array_type(field: _Field) -> str:
    return next((name for kind, name in _ARRAY_TYPES if isinstance(field, kind)), "text")

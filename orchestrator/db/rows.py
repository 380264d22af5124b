"""Inserts, updates and reads rows by primary key, with SQL that is made once.

Django makes the SQL of a query anew each time, which costs more than the database needs to execute it.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from itertools import chain
from operator import attrgetter
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.json_codec import from_json

_Row = TypeVar("_Row", bound=models.Model)
_Field: TypeAlias = "models.Field[Any, Any]"

# Rows per INSERT on SQLite: twice as fast as one row per INSERT.
_SQLITE_STATEMENT_ROWS: Final = 200

#: What is left to convert of the values of SQLite's driver. psycopg converts all.
_FROM_SQLITE: Final[dict[type[Any], Callable[[Any], Any]]] = {
    models.UUIDField: UUID,
    models.DateTimeField: partial(datetime.replace, tzinfo=UTC),
    models.JSONField: from_json,
}


def insert(
    connection: BaseDatabaseWrapper, rows: Sequence[models.Model], fields: Sequence[_Field] = ()
) -> None:
    """Insert unsaved instances of one model into the open transaction, without signals.

    Args:
        connection: the connection to the database.
        rows: the instances.
        fields: the fields to insert; all but those whose default only the database knows if there are none.
    """
    model = type(rows[0])
    fields = fields or _fields_with_values(model)
    names = tuple(field.attname for field in fields)
    values = [_values(row, fields, names, connection) for row in rows]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and len(rows) > 1:
            columns = ", ".join(str(field.column) for field in fields)
            copy_into = f"COPY {model._meta.db_table} ({columns}) FROM STDIN"
            with connection.wrap_database_errors, cursor.copy(copy_into) as copy:
                for row in values:
                    copy.write_row(row)
            return
        for start in range(0, len(values), _SQLITE_STATEMENT_ROWS):
            some = values[start : start + _SQLITE_STATEMENT_ROWS]
            cursor.execute(_insert_sql(model, names, len(some)), list(chain.from_iterable(some)))


def insert_together(connection: BaseDatabaseWrapper, rows: Sequence[models.Model]) -> None:
    """Insert unsaved instances into the open transaction without signals; on PostgreSQL in one round trip."""
    statements, parameters = [], []
    for row in rows:
        fields = _fields_with_values(type(row))
        names = tuple(field.attname for field in fields)
        statements.append(_insert_sql(type(row), names, 1))
        parameters.append(_values(row, fields, names, connection))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_joined(tuple(statements)), list(chain.from_iterable(parameters)))
            return
        for statement, values in zip(statements, parameters, strict=True):
            cursor.execute(statement, values)


def update(connection: BaseDatabaseWrapper, row: models.Model, values: Iterable[tuple[_Field, Any]]) -> bool:
    """Set columns of a row; return whether the row exists.

    Args:
        connection: the connection to the database.
        row: the instance, of which only the primary key is used.
        values: fields with their new values.
    """
    changes = {field.column: _stored(field, value, connection) for field, value in values}
    key = row._meta.pk
    columns = ", ".join(f'"{column}" = %s' for column in changes)
    statement = f'UPDATE "{row._meta.db_table}" SET {columns} WHERE "{key.column}" = %s'  # noqa: S608 - our own names
    with connection.cursor() as cursor:
        cursor.execute(statement, [*changes.values(), _stored(key, row.pk, connection)])
        return bool(cursor.rowcount)


def read(model: type[_Row], row_id: UUID, *, lock: bool = False) -> _Row:
    """Return the row with an id, read from the default database.

    Args:
        model: the row's model.
        row_id: its primary key.
        lock: whether the row is locked until the end of the open transaction. On SQLite the transaction is a
            lock itself.

    Raises:
        DoesNotExist: if there is no such row.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    statement, names, converters = _select(model, connection.vendor)
    if lock and connection.features.has_select_for_update:
        statement += " FOR UPDATE"
    with connection.cursor() as cursor:
        cursor.execute(statement, [_stored(model._meta.pk, row_id, connection)])
        found = cursor.fetchone()
    if found is None:
        raise model.DoesNotExist  # type: ignore[attr-defined]
    values = list(found)
    for position, convert in converters:
        if values[position] is not None:
            values[position] = convert(values[position])
    return model.from_db(DEFAULT_DB_ALIAS, names, values)


def _values(
    row: models.Model, fields: Sequence[_Field], names: tuple[str, ...], connection: BaseDatabaseWrapper
) -> list[Any]:
    values = zip(fields, _attributes(names)(row), strict=True)
    return [_stored(field, value, connection) for field, value in values]


@cache
def _joined(statements: tuple[str, ...]) -> str:
    return "; ".join(statements)


def _fields_with_values(model: type[models.Model]) -> tuple[_Field, ...]:
    """Return the fields for which each new instance has a value."""
    fields = model._meta.concrete_fields
    return tuple(field for field in fields if field.has_default() or not field.has_db_default())


@cache
def _attributes(names: tuple[str, ...]) -> Callable[[models.Model], tuple[Any, ...]]:
    return attrgetter(*names)


@cache
def _insert_sql(model: type[models.Model], names: tuple[str, ...], rows: int) -> str:
    columns = ", ".join(f'"{model._meta.get_field(name).column}"' for name in names)  # type: ignore[union-attr]
    placeholders = f"({', '.join(['%s'] * len(names))})"
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES {", ".join([placeholders] * rows)}'  # noqa: S608 - our own names


@cache
def _select(
    model: type[models.Model], vendor: str
) -> tuple[str, list[str], list[tuple[int, Callable[[Any], Any]]]]:
    """Return the SELECT of a row, the names of its columns, and the converters of values by position."""
    fields = model._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    statement = f'SELECT {columns} FROM "{model._meta.db_table}" WHERE "{model._meta.pk.column}" = %s'  # noqa: S608 - our own names
    converters = [
        (position, convert)
        for position, field in enumerate(fields)
        for kind, convert in (_FROM_SQLITE if vendor == "sqlite" else {}).items()
        if isinstance(field, kind)
    ]
    return statement, [field.attname for field in fields], converters


def _stored(field: _Field, value: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return a value as the database takes it; the session's time zone is UTC on PostgreSQL."""
    kind = type(value)
    if kind is UUID:
        return value.hex
    if kind is datetime and value.tzinfo is UTC:
        return value.replace(tzinfo=None).isoformat(" ")
    if value is None or (kind is int and isinstance(field, models.IntegerField)):
        return value
    return field.get_db_prep_save(value, connection)

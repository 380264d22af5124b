"""Inserts, updates and reads rows by primary key, with SQL that is made once.

Django makes the SQL of a query anew each time, which costs more than the database needs to execute it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from orchestrator.json_codec import from_json

_Row = TypeVar("_Row", bound=models.Model)
_Field: TypeAlias = "models.Field[Any, Any]"

# Rows per INSERT on SQLite: twice as fast as one row per INSERT.
_SQLITE_STATEMENT_ROWS: Final = 200

#: The fields that store a value of a type as it is.
_STORED_AS_IS: Final[dict[type[Any], tuple[type[_Field], ...]]] = {
    int: (models.IntegerField,),
    str: (models.CharField, models.TextField),
}

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


def write_together(
    connection: BaseDatabaseWrapper,
    new: Iterable[models.Model],
    changed: Mapping[models.Model, Sequence[_Field]] = MappingProxyType({}),
) -> None:
    """Insert and update rows in the open transaction without signals; on PostgreSQL in one round trip.

    Args:
        connection: the connection to the database.
        new: unsaved instances.
        changed: instances of existing rows, with the fields to set.
    """
    writes = [
        _update(connection, row, ((f, getattr(row, f.attname)) for f in changed[row])) for row in changed
    ]
    writes += [_insert(connection, row) for row in new]
    if connection.vendor == "postgresql":
        statements, parameters = zip(*writes, strict=True)
        writes = [("; ".join(statements), list(chain.from_iterable(parameters)))]
    with connection.cursor() as cursor:
        for statement, values in writes:
            _execute(connection, cursor, statement, values)


def update(connection: BaseDatabaseWrapper, row: models.Model, values: Iterable[tuple[_Field, Any]]) -> bool:
    """Set columns of a row; return whether the row exists.

    Args:
        connection: the connection to the database.
        row: the instance, of which only the primary key is used.
        values: fields with their new values.
    """
    statement, parameters = _update(connection, row, values)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return bool(cursor.rowcount)


def read(model: type[_Row], row_id: UUID) -> _Row:
    """Return the row with an id, read from the default database.

    Raises:
        DoesNotExist: if there is no such row.
    """
    return _instance(model, _fetched(model, _select(model), row_id))


def lock(model: type[_Row], row_id: UUID) -> tuple[_Row, datetime]:
    """Lock a row until the end of the open transaction; on SQLite the transaction is a lock itself.

    Returns:
        The row, and the time by the database's clock (see ``orchestrator.db.clock``).

    Raises:
        DoesNotExist: if there is no such row.
    """
    if connections[DEFAULT_DB_ALIAS].vendor == "sqlite":
        return read(model, row_id), timezone.now()
    *values, now = _fetched(model, _select(model, locked=True), row_id)
    return _instance(model, values), now


@cache
def column_list(model: type[models.Model]) -> str:
    """Return the names of a table's columns in the order that ``returned`` expects."""
    return ", ".join(f'"{field.column}"' for field in model._meta.concrete_fields)


def returned(model: type[_Row], statement: str, parameters: Sequence[Any]) -> list[_Row]:
    """Execute a statement on the default database; return the rows that it returns.

    Args:
        model: the rows' model.
        statement: SQL; it returns the columns of ``column_list``.
        parameters: its values, as the database takes them.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    with connection.cursor() as cursor:
        _execute(connection, cursor, statement, parameters)
        return [_instance(model, values) for values in cursor.fetchall()]


def _fetched(model: type[models.Model], statement: str, row_id: UUID) -> Sequence[Any]:
    connection = connections[DEFAULT_DB_ALIAS]
    with connection.cursor() as cursor:
        _execute(connection, cursor, statement, [_stored(model._meta.pk, row_id, connection)])
        found = cursor.fetchone()
    if found is None:
        raise model.DoesNotExist  # type: ignore[attr-defined]
    values: Sequence[Any] = found
    return values


def _execute(
    connection: BaseDatabaseWrapper, cursor: CursorWrapper, statement: str, parameters: Sequence[Any]
) -> None:
    """Execute a statement, where the engine can together with the BEGIN if it is the transaction's first."""
    if hasattr(connection, "execute_first"):
        connection.execute_first(cursor, statement, parameters)
    else:
        cursor.execute(statement, parameters)


def _instance(model: type[_Row], found: Sequence[Any]) -> _Row:
    names, converters = _conversion(model, connections[DEFAULT_DB_ALIAS].vendor)
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


def _insert(connection: BaseDatabaseWrapper, row: models.Model) -> tuple[str, list[Any]]:
    fields = _fields_with_values(type(row))
    names = tuple(field.attname for field in fields)
    return _insert_sql(type(row), names, 1), _values(row, fields, names, connection)


def _update(
    connection: BaseDatabaseWrapper, row: models.Model, values: Iterable[tuple[_Field, Any]]
) -> tuple[str, list[Any]]:
    changes = {field.column: _stored(field, value, connection) for field, value in values}
    key = row._meta.pk
    columns = ", ".join(f'"{column}" = %s' for column in changes)
    statement = f'UPDATE "{row._meta.db_table}" SET {columns} WHERE "{key.column}" = %s'  # noqa: S608 - our own names
    return statement, [*changes.values(), _stored(key, row.pk, connection)]


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
def _select(model: type[models.Model], *, locked: bool = False) -> str:
    """Return the SELECT of a row; if it is locked, with the database's time as the last column."""
    columns = column_list(model)
    if locked:
        columns += ", clock_timestamp()"
    statement = f'SELECT {columns} FROM "{model._meta.db_table}" WHERE "{model._meta.pk.column}" = %s'  # noqa: S608 - our own names
    return f"{statement} FOR UPDATE" if locked else statement


@cache
def _conversion(
    model: type[models.Model], vendor: str
) -> tuple[list[str], list[tuple[int, Callable[[Any], Any]]]]:
    """Return the names of a row's columns, and the converters of values by position."""
    fields = model._meta.concrete_fields
    converters = [
        (position, convert)
        for position, field in enumerate(fields)
        for kind, convert in (_FROM_SQLITE if vendor == "sqlite" else {}).items()
        if isinstance(field, kind)
    ]
    return [field.attname for field in fields], converters


def _stored(field: _Field, value: Any, connection: BaseDatabaseWrapper) -> Any:
    """Return a value as the database takes it; the session's time zone is UTC on PostgreSQL."""
    kind = type(value)
    if kind is UUID:
        return value.hex
    if kind is datetime and value.tzinfo is UTC:
        return value.replace(tzinfo=None).isoformat(" ")
    if value is None or isinstance(field, _STORED_AS_IS.get(kind, ())):
        return value
    return field.get_db_prep_save(value, connection)

"""Inserts many rows of a model, several times as fast as ``bulk_create``."""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from orchestrator.json_codec import to_json

# Rows per INSERT: twice as fast as one row per INSERT.
_SQLITE_STATEMENT_ROWS: Final = 200


def insert_rows(connection: BaseDatabaseWrapper, model: type[Model], rows: Sequence[Model]) -> None:
    """Insert unsaved instances of a model into the open transaction, without signals.

    Args:
        connection: the connection to the database.
        model: the model, one of the four tables.
        rows: its instances.
    """
    # Model instances have no value for a column whose default only the database knows.
    fields = [
        field for field in model._meta.concrete_fields if field.has_default() or not field.has_db_default()
    ]
    stored = attrgetter(*(field.attname for field in fields))
    values = [[_adapted(value) for value in stored(row)] for row in rows]
    table = model._meta.db_table
    into = f"{table} ({', '.join(str(field.column) for field in fields)})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with connection.wrap_database_errors, cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
            return
        placeholders = f"({', '.join(['%s'] * len(fields))})"
        for start in range(0, len(values), _SQLITE_STATEMENT_ROWS):
            some = values[start : start + _SQLITE_STATEMENT_ROWS]
            statement = f"INSERT INTO {into} VALUES {', '.join([placeholders] * len(some))}"  # noqa: S608 - our own names
            cursor.execute(statement, list(chain.from_iterable(some)))


def _adapted(value: Any) -> Any:
    """Return a value in a form that both engines accept; the session's time zone is UTC on PostgreSQL."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    return to_json(value).decode() if isinstance(value, dict) else value

"""Expressions of SQL that Django has no name for, on both engines."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now
from django.db.models.sql.compiler import SQLCompiler


class CurrentTimestamp(Now):
    """The time of the statement as a column's default, in the format in which Django stores datetimes.

    On SQLite, whose clock has milliseconds, the last three digits are always 001: Django leaves a fraction of
    zero out, and these texts must sort and compare like those that Django writes.
    """

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any) -> Any:
        """Return the expression with six digits of a fraction."""
        template = "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'NOW') || '001'"
        return self.as_sql(compiler, connection, template=template, **more)

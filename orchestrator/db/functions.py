"""Database functions that Django lacks, on both engines."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now
from django.db.models.sql.compiler import SQLCompiler


class CurrentTimestamp(Now):
    """The current time as a column's default, in the format in which Django stores datetimes.

    SQLite's clock has milliseconds. The last three digits are always 001, because Django omits a fraction of
    zero and these texts must sort and compare like those that Django writes.
    """

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **more: Any) -> Any:
        """Return the expression with six fractional digits."""
        template = "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'NOW') || '001'"
        return self.as_sql(compiler, connection, template=template, **more)

"""Whole minutes since 1970, UTC: the unit of the rollups, in Python and in SQL."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import BigIntegerField, Func


class MinuteOf(Func):
    """The number of whole minutes from 1970 to a timestamp."""

    output_field = BigIntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL for PostgreSQL."""
        template = "CAST(floor(extract(epoch FROM %(expressions)s) / 60) AS bigint)"
        return self.as_sql(compiler, connection, template=template)

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Return the SQL for SQLite."""
        # Without the fraction: SQLite would round .9995 up, into the next minute.
        template = "(CAST(strftime('%%%%s', substr(%(expressions)s, 1, 19)) AS integer) / 60)"
        return self.as_sql(compiler, connection, template=template)


def minute_of(value: datetime) -> int:
    """Return the number of whole minutes from 1970 to a datetime."""
    return int(value.timestamp() // 60)


def start_of(minute: int) -> datetime:
    """Return the datetime at which a minute begins."""
    return datetime.fromtimestamp(minute * 60, UTC)

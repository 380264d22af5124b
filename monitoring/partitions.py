"""Tables that are partitioned by time, and for how long their partitions last."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring import engines
from monitoring.engines import Row
from monitoring.serialization import instant_text

_DAY: Final = timedelta(days=1)
_WRITTEN: Final = {
    "date": "%Y-%m-%d",
    "timestamp without time zone": "%Y-%m-%d %H:%M:%S",
    "timestamp with time zone": "%Y-%m-%d %H:%M:%S+00",
}
#: How a year after the last, or one before the first, that Python knows stands here.
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Partitioned:
    """A table that is partitioned by range.

    Args:
        table: as SQL names it.
        key: the column, or None for an expression.
        partitions: how many there are, the default one not counted.
        has_default: whether rows that no other partition takes have one to go to.
        ends_at: the moment up to which every row has a partition; None where nobody can tell, or for ever.
        days: from now to then, 0 where already now there is none.
        sql: makes the partition that is needed next, or nothing.
        reason: why there is no end.
    """

    table: str
    key: str | None
    partitions: int
    has_default: bool
    ends_at: datetime | None = None
    days: float | None = None
    sql: str = ""
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the table as the endpoint shows it."""
        return {
            "table": self.table,
            "key": self.key,
            "partitions": self.partitions,
            "has_default": self.has_default,
            "ends_at": self.ends_at and instant_text(self.ends_at),
            "days_left": self.days,
            "reason": self.reason,
        }


def measure(connection: BaseDatabaseWrapper, now: datetime) -> tuple[Partitioned, ...] | None:
    """Return every table that is partitioned by range, or None where the engine has no partitions.

    Args:
        connection: to the database.
        now: the moment from which the days are counted.
    """
    rows = engines.of(connection).partitions(connection)
    if rows is None:
        return None
    tables = groupby(rows, key=lambda row: row["table"])
    return tuple(_partitioned(connection, list(ranges), now) for _, ranges in tables)


def _partitioned(connection: BaseDatabaseWrapper, rows: Sequence[Row], now: datetime) -> Partitioned:
    first = rows[0]
    there = [row for row in rows if row["there"]]
    known = (first["table"], first["key"], len(there), first["has_default"])
    if first["key_type"] not in _WRITTEN:
        return Partitioned(*known, reason="its key is not a moment")
    ranges = sorted((_moment(row["from"]), _moment(row["to"])) for row in there)
    end = _covered_until(ranges, now)
    if end == _NEVER:
        return Partitioned(*known, reason="its newest partition has no end")
    sql = _create_sql(connection, first, *_next_range(ranges, end, now))
    days = 0.0 if end is None else round((end - now) / _DAY, 2)
    return Partitioned(*known, ends_at=end, days=days, sql=sql)


def _moment(seconds: float) -> datetime:
    if not math.isfinite(seconds):
        return _NEVER if seconds > 0 else _ALWAYS
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return _NEVER if seconds > 0 else _ALWAYS


def _covered_until(ranges: Sequence[tuple[datetime, datetime]], now: datetime) -> datetime | None:
    """Return the end of the partitions that follow one another from now on, or None where there is none."""
    end = now
    for start, stop in ranges:
        if start <= end < stop:
            end = stop
    return None if end == now else end


def _next_range(
    ranges: Sequence[tuple[datetime, datetime]], end: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """Return the range of the partition that is missing first: as long as the one before it, or until now."""
    known = end or now
    following = min((start for start, _ in ranges if start > known), default=_NEVER)
    before = [each for each in ranges if each[1] <= known and each[0] != _ALWAYS]
    if not before:
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        start = max((stop for _, stop in ranges if stop <= known), default=month)
        return start, min((month + timedelta(days=32)).replace(day=1), following)
    start, stop = before[-1][1], _later(*before[-1])
    while stop <= now:
        stop = _later(*before[-1], after=stop)
    return start, min(stop, following)


def _later(start: datetime, stop: datetime, after: datetime | None = None) -> datetime:
    """Return the end of what follows a range, or ``after``, and is as long: in months, or in time."""
    after = after or stop
    if start.day == stop.day == 1 and start.time() == stop.time():
        months = 12 * (stop.year - start.year) + stop.month - start.month
        years, month = divmod(after.month - 1 + months, 12)
        return after.replace(year=after.year + years, month=month + 1)
    return after + (stop - start)


def _create_sql(
    connection: BaseDatabaseWrapper, row: Mapping[str, Any], start: datetime, stop: datetime
) -> str:
    written = _WRITTEN[row["key_type"]]
    suffix = f"{start:%Y%m%d}" if start.time() == stop.time() else f"{start:%Y%m%d%H%M}"
    name = connection.ops.quote_name(f"{row['name']}_{suffix}")
    return (
        f"CREATE TABLE {row['namespace']}.{name} PARTITION OF {row['table']} "
        f"FOR VALUES FROM ('{start.strftime(written)}') TO ('{stop.strftime(written)}');"
    )

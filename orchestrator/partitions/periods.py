"""The periods of partitions: days, weeks from Monday, and months, all in UTC."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

#: Coming partitions that always exist, and the time that they cover at least.
MIN_COMING: Final = 3
MIN_AHEAD: Final = timedelta(days=7)


def boundary_after(time: datetime, period: str) -> datetime:
    """Return the first boundary after a time.

    Args:
        time: with a time zone.
        period: ``day``, ``week`` or ``month``.
    """
    day = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return day + timedelta(days=1)
    if period == "week":
        return day + timedelta(days=7 - day.weekday())
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def missing(last: datetime, coming: int, now: datetime, period: str) -> Iterator[tuple[datetime, datetime]]:
    """Yield the bounds of the partitions to create after the last one.

    Args:
        last: where the last partition ends.
        coming: how many partitions begin later than now.
        now: the current time.
        period: see ``boundary_after``.
    """
    while coming < MIN_COMING or last < now + MIN_AHEAD:
        lower, last = last, boundary_after(last, period)
        coming += lower > now
        yield lower, last

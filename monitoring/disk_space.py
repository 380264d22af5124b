"""Free space on the database's disk, and when it will be full."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from monitoring import engines
from monitoring.table_statistics import TableFigures


@dataclass(frozen=True, kw_only=True)
class Disk:
    """The database's disk. None means unknown.

    Args:
        free_bytes: free space.
        total_bytes: size of the disk.
        bytes_a_day: growth of all monitored tables with their indexes.
        measured_days: number of days that the growth was measured over.
        reason: why a figure is unknown.
    """

    free_bytes: int | None = None
    total_bytes: int | None = None
    bytes_a_day: float | None = None
    measured_days: float | None = None
    reason: str | None = None

    @property
    def days(self) -> float | None:
        """Return the days until the disk is full at the current rate; None if unknown or nothing grows."""
        if self.free_bytes is None or self.bytes_a_day is None or self.bytes_a_day <= 0:
            return None
        return round(self.free_bytes / self.bytes_a_day, 1)

    def as_json(self) -> dict[str, Any]:
        """Return the disk as the endpoint shows it."""
        return {
            "free_bytes": self.free_bytes,
            "total_bytes": self.total_bytes,
            "bytes_per_day": self.bytes_a_day,
            "measured_over_days": self.measured_days,
            "days_left": self.days,
            "reason": self.reason,
        }


def measure(connection: BaseDatabaseWrapper, measured: Sequence[TableFigures]) -> Disk:
    """Return the free space and the growth rate.

    Args:
        connection: to the database.
        measured: its tables with their growth.
    """
    directory = engines.of(connection).directory(connection)
    grown = [growth for table in measured if (growth := table.growth) and growth.bytes_a_day is not None]
    rate = round(sum(growth.bytes_a_day or 0 for growth in grown), 1) if grown else None
    since = min((growth.since for growth in grown), default=None)
    measured_days = round((timezone.now() - since) / timedelta(days=1), 2) if since else None
    reason = directory["reason"] or (None if grown else "growth is known one hour after the first snapshot")
    if directory["directory"] is None:
        return Disk(bytes_a_day=rate, measured_days=measured_days, reason=reason)
    usage = shutil.disk_usage(directory["directory"])
    return Disk(
        free_bytes=usage.free,
        total_bytes=usage.total,
        bytes_a_day=rate,
        measured_days=measured_days,
        reason=reason,
    )

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
        total_bytes: size of the disk.
        bytes_per_day: growth of all monitored tables with their indexes.
        measured_over_days: number of days that the growth was measured over.
        reason: why a figure is unknown.
    """

    free_bytes: int | None = None
    total_bytes: int | None = None
    bytes_per_day: float | None = None
    measured_over_days: float | None = None
    reason: str | None = None

    @property
    def days_left(self) -> float | None:
        """Return the days until the disk is full at the current rate; None if unknown or nothing grows."""
        if self.free_bytes is None or self.bytes_per_day is None or self.bytes_per_day <= 0:
            return None
        return round(self.free_bytes / self.bytes_per_day, 1)

    def as_json(self) -> dict[str, Any]:
        """Return the disk as the endpoint shows it."""
        return {**vars(self), "days_left": self.days_left}


def measure(connection: BaseDatabaseWrapper, measured: Sequence[TableFigures]) -> Disk:
    """Return the free space, and the growth rate of the measured tables."""
    directory = engines.of(connection).directory(connection)
    rates = [table.bytes_per_day for table in measured if table.bytes_per_day is not None]
    since = min((table.growth_since for table in measured if table.growth_since), default=None)
    usage = shutil.disk_usage(directory["directory"]) if directory["directory"] else None
    unknown = directory["reason"] or (None if rates else "growth is known one hour after the first snapshot")
    return Disk(
        free_bytes=usage and usage.free,
        total_bytes=usage and usage.total,
        bytes_per_day=round(sum(rates), 1) if rates else None,
        measured_over_days=round((timezone.now() - since) / timedelta(days=1), 2) if since else None,
        reason=unknown,
    )

"""The room that is left for the database, and for how many days it lasts."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from monitoring import engines
from monitoring.tables import TableFigures


@dataclass(frozen=True)
class Disk:
    """The disk that the database is on. What cannot be told is None.

    Args:
        free_bytes: room that is left, of ``total_bytes``.
        bytes_a_day: growth of all tables that are watched, with their indexes.
        grown_for: days that the growth is told from.
        reason: why something cannot be told.
    """

    free_bytes: int | None = None
    total_bytes: int | None = None
    bytes_a_day: float | None = None
    grown_for: float | None = None
    reason: str | None = None

    @property
    def days(self) -> float | None:
        """Return for how many days the room lasts at the present rate; None where nothing grows."""
        if self.free_bytes is None or self.bytes_a_day is None or self.bytes_a_day <= 0:
            return None
        return round(self.free_bytes / self.bytes_a_day, 1)

    def as_json(self) -> dict[str, Any]:
        """Return the disk as the endpoint shows it."""
        return {
            "free_bytes": self.free_bytes,
            "total_bytes": self.total_bytes,
            "bytes_per_day": self.bytes_a_day,
            "measured_over_days": self.grown_for,
            "days_left": self.days,
            "reason": self.reason,
        }


def measure(connection: BaseDatabaseWrapper, measured: Sequence[TableFigures]) -> Disk:
    """Return the room that is left, and how fast it goes.

    Args:
        connection: to the database.
        measured: its tables, with their growth.
    """
    place = engines.of(connection).place(connection)
    grown = [growth for table in measured if (growth := table.growth) and growth.bytes_a_day is not None]
    rate = round(sum(growth.bytes_a_day or 0 for growth in grown), 1) if grown else None
    since = min((growth.since for growth in grown), default=None)
    grown_for = round((timezone.now() - since) / timedelta(days=1), 2) if since else None
    reason = place["reason"] or (
        None if grown else "the growth is told from an hour after the first snapshot on"
    )
    if place["folder"] is None:
        return Disk(bytes_a_day=rate, grown_for=grown_for, reason=reason)
    usage = shutil.disk_usage(place["folder"])
    return Disk(usage.free, usage.total, rate, grown_for, reason)

"""Rules about room on the disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.db import DEFAULT_DB_ALIAS, connections

from monitoring.findings import Finding

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport

#: Days of room from which somebody should know, and must act.
_SOON: Final = 30
_NOW: Final = 7

_MEBIBYTE: Final = 1024 * 1024
_FREE_SHARE: Final = 0.25
_FREE_FROM: Final = 64 * _MEBIBYTE
_JOURNAL_FROM: Final = 256 * _MEBIBYTE


def runway(report: "DatabaseReport") -> Iterator[Finding]:
    """Find a disk that is full in days at the present rate, where the database's disk can be seen."""
    if "journal_mode" not in report.server:
        return  # a server of its own, with a disk that this process does not see
    growth = sum(table.growth.bytes_a_day or 0 for table in report.tables if table.growth)
    free = shutil.disk_usage(Path(connections[DEFAULT_DB_ALIAS].settings_dict["NAME"]).parent).free
    if growth <= 0 or (days := free / growth) > _SOON:
        return
    yield Finding(
        "disk:runway",
        "critical" if days <= _NOW else "warning",
        f"The disk is full in {days:.0f} days at the present rate",
        {"free_bytes": free, "bytes_per_day": growth, "days": round(days, 1)},
        "Make room on the disk of KYROS_DATA_DIR, or lower EVENT_RETENTION_DAYS and JOB_RETENTION_DAYS",
    )


def journal(report: "DatabaseReport") -> Iterator[Finding]:
    """Find a write-ahead log that a reader keeps from being emptied."""
    size = report.server.get("wal_bytes") or 0
    if size >= _JOURNAL_FROM:
        yield Finding(
            "disk:journal",
            "warning",
            "The write-ahead log of SQLite is large: a reader keeps it from being emptied",
            {"wal_bytes": size, "bytes": report.server.get("bytes")},
            "PRAGMA wal_checkpoint(TRUNCATE);",
        )


def free_pages(report: "DatabaseReport") -> Iterator[Finding]:
    """Find a file that is much larger than what is in it."""
    free, size = report.server.get("free_bytes") or 0, report.server.get("bytes") or 0
    if free >= _FREE_FROM and free >= _FREE_SHARE * size:
        yield Finding(
            "disk:free-pages",
            "info",
            "Much of the SQLite file is free pages",
            {"free_bytes": free, "bytes": size},
            "VACUUM;",
        )

"""Rules about room on the disk."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from monitoring.findings import Finding, Level

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport

#: Days of room from which somebody should know, and must act.
_SOON: Final = 30
_NOW: Final = 7

#: Days that a rate must hold before it is more than a bulk load.
_STEADY_FROM: Final = 1.0

_MEBIBYTE: Final = 1024 * 1024
_FREE_SHARE: Final = 0.25
_FREE_FROM: Final = 64 * _MEBIBYTE
_JOURNAL_FROM: Final = 256 * _MEBIBYTE


def runway(report: "DatabaseReport") -> Iterator[Finding]:
    """Find a disk that is full in days at the present rate, where the database's disk can be seen."""
    disk = report.disk
    if disk is None or disk.days is None or disk.days > _SOON:
        return
    level: Level = "critical" if disk.days <= _NOW else "warning"
    yield Finding(
        "disk:runway",
        level if (disk.grown_for or 0) >= _STEADY_FROM else "info",
        f"The disk is full in {disk.days:.0f} days at the present rate",
        disk.as_json(),
        "Make room on the database's disk, or lower EVENT_RETENTION_DAYS and JOB_RETENTION_DAYS",
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

"""Rules about disk space."""

from collections.abc import Iterator
from typing import Final

from monitoring import registry
from monitoring.findings import Finding, Level
from monitoring.report_data import DatabaseReport

#: Days until the disk is full, for a warning and for a critical finding.
_WARNING_DAYS: Final = 30
_CRITICAL_DAYS: Final = 7

#: A growth rate measured over fewer days may be one bulk load.
_MIN_DAYS_MEASURED: Final = 1.0

_MEBIBYTE: Final = 1024 * 1024
_MIN_FREE_SHARE: Final = 0.25
_MIN_FREE_BYTES: Final = 64 * _MEBIBYTE
_MIN_JOURNAL_BYTES: Final = 256 * _MEBIBYTE


def runway(report: DatabaseReport) -> Iterator[Finding]:
    """Find a disk that will soon be full at the current growth rate."""
    disk = report.disk
    if disk is None or disk.days_left is None or disk.days_left > _WARNING_DAYS:
        return
    level: Level = "critical" if disk.days_left <= _CRITICAL_DAYS else "warning"
    yield Finding(
        "disk:runway",
        level if (disk.measured_over_days or 0) >= _MIN_DAYS_MEASURED else "info",
        f"The disk is full in {disk.days_left:.0f} days at the current growth rate",
        disk.as_json(),
        _more_space(),
    )


def _more_space() -> str:
    settings = [table.retention.setting for table in registry.monitored_app().tables if table.retention]
    lower = f", or lower {' and '.join(settings)}" if settings else ""
    return f"Add space to the database's disk{lower}"


def journal(report: DatabaseReport) -> Iterator[Finding]:
    """Find a write-ahead log of SQLite that a long read keeps from being truncated."""
    size = report.server.get("wal_bytes") or 0
    if size >= _MIN_JOURNAL_BYTES:
        yield Finding(
            "disk:journal",
            "warning",
            "SQLite's write-ahead log is large: an open read transaction prevents its checkpoint",
            {"wal_bytes": size, "bytes": report.server.get("bytes")},
            "PRAGMA wal_checkpoint(TRUNCATE);",
        )


def free_pages(report: DatabaseReport) -> Iterator[Finding]:
    """Find a SQLite file that is much larger than its contents."""
    free, size = report.server.get("free_bytes") or 0, report.server.get("bytes") or 0
    if free >= _MIN_FREE_BYTES and free >= _MIN_FREE_SHARE * size:
        yield Finding(
            "disk:free-pages",
            "info",
            "A large part of the SQLite file is free pages",
            {"free_bytes": free, "bytes": size},
            "VACUUM;",
        )

"""The archive: old rows in verified Parquet files.

See ``docs/archive.md`` and ``docs/adr/0017-archive.md``.
"""

from orchestrator.archive.manifest import Restored, files, finished_files, newest_files, path_of, totals
from orchestrator.archive.row_sql import TABLES
from orchestrator.archive.runs import (
    RETENTION_SETTINGS,
    ArchiveRun,
    ArchiveTotals,
    DueRows,
    archived_rows,
    cutoff,
    due,
    restore,
    retention_days,
    run,
    run_due,
    verify,
)
from orchestrator.exceptions import ArchiveBusy, ArchiveError

__all__ = [
    "RETENTION_SETTINGS",
    "TABLES",
    "ArchiveBusy",
    "ArchiveError",
    "ArchiveRun",
    "ArchiveTotals",
    "DueRows",
    "Restored",
    "archived_rows",
    "cutoff",
    "due",
    "files",
    "finished_files",
    "newest_files",
    "path_of",
    "restore",
    "retention_days",
    "run",
    "run_due",
    "totals",
    "verify",
]

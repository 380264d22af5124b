"""The archive: old rows in verified Parquet files.

See ``docs/archive.md`` and ``docs/adr/0017-archive.md``.
"""

from orchestrator.archive.errors import ArchiveBusy, ArchiveError
from orchestrator.archive.manifest import files, path_of
from orchestrator.archive.restoring import Restored
from orchestrator.archive.row_sql import TABLES
from orchestrator.archive.runs import (
    RETENTION_SETTINGS,
    ArchiveRun,
    DueRows,
    cutoff,
    due,
    restore,
    retention_days,
    run,
    run_due,
    verify,
)

__all__ = [
    "RETENTION_SETTINGS",
    "TABLES",
    "ArchiveBusy",
    "ArchiveError",
    "ArchiveRun",
    "DueRows",
    "Restored",
    "cutoff",
    "due",
    "files",
    "path_of",
    "restore",
    "retention_days",
    "run",
    "run_due",
    "verify",
]

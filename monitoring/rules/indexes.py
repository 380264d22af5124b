"""Rules about indexes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from monitoring.findings import Finding

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport

#: Rows of a table from which its indexes cost something, and days without use that say something.
_LARGE: Final = 10_000
_UNUSED_FOR: Final = timedelta(days=7)


def missing(report: "DatabaseReport") -> Iterator[Finding]:
    """Find indexes that the models declare and the database does not have."""
    for index in report.missing_indexes:
        rows = next((table.row_count for table in report.tables if table.name == index.table), None)
        yield Finding(
            f"index:missing:{index.name}",
            "critical",
            f"The index {index.name} of {index.table} is not there",
            {"table": index.table, "rows": rows},
            index.sql,
        )


def invalid(report: "DatabaseReport") -> Iterator[Finding]:
    """Find indexes whose making failed half-way: they cost on every write and serve nothing."""
    for table in report.tables:
        for index in table.indexes:
            if not index.valid:
                yield Finding(
                    f"index:invalid:{index.name}",
                    "critical",
                    f"The index {index.name} of {table.name} is invalid",
                    {"table": table.name, "bytes": index.bytes},
                    f"REINDEX INDEX CONCURRENTLY {index.name};",
                )


def unused(report: "DatabaseReport") -> Iterator[Finding]:
    """Find indexes that nothing has used for days, as far back as the engine remembers."""
    since = _counted_since(report)
    if since is None or datetime.now(UTC) - since < _UNUSED_FOR:
        return
    for table in report.tables:
        for index in table.indexes:
            if index.scans == 0 and not index.is_unique and (table.row_count or 0) >= _LARGE:
                yield Finding(
                    f"index:unused:{index.name}",
                    "info",
                    f"The index {index.name} of {table.name} is not used",
                    {"scans": 0, "bytes": index.bytes, "counted_days": (datetime.now(UTC) - since).days},
                    f"DROP INDEX CONCURRENTLY {index.name};",
                )


def _counted_since(report: "DatabaseReport") -> datetime | None:
    """Return since when uses are counted: the last reset; else nobody knows for how long they were not."""
    reset = report.server.get("stats_reset")
    return reset if isinstance(reset, datetime) else None

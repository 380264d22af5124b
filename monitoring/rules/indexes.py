"""Rules about indexes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from monitoring.findings import Finding
from monitoring.index_usage import IndexUsage, removal
from monitoring.serialization import instant_text

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


def needless(report: "DatabaseReport") -> Iterator[Finding]:
    """Find indexes that no hot query needs: unused for days, or another one does their work as well."""
    rows = {table.name: table.row_count or 0 for table in report.tables}
    beside_writers = "" if "journal_mode" in report.server else "CONCURRENTLY "
    for use in report.index_uses:
        if use.verdict != "drop" or rows.get(use.index.table, 0) < _LARGE:
            continue
        unused = use.scans == 0 and use.since is not None and datetime.now(UTC) - use.since >= _UNUSED_FOR
        if unused or use.prefix_of:
            kind = "redundant" if use.prefix_of else "unused"
            yield Finding(
                f"index:{kind}:{use.index.name}",
                "info",
                f"The index {use.index.name} of {use.index.table} is {kind}",
                _evidence(use),
                removal(use) or f"DROP INDEX {beside_writers}{use.index.name};",
            )


def _evidence(use: IndexUsage) -> dict[str, Any]:
    return {
        "scans": use.scans,
        "since": use.since and instant_text(use.since),
        "bytes": use.bytes,
        "begins_like": list(use.prefix_of),
        "hot_queries_planned_without_it": use.proof and use.proof.planned,
        "would_lose_their_plan": list(use.proof.losers) if use.proof else None,
    }

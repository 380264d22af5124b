"""Rules about indexes."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from monitoring.findings import Finding
from monitoring.index_usage import IndexUsage
from monitoring.report_data import DatabaseReport

#: An index costs something from this many rows on, and counts as unused after this long without a scan.
_MIN_ROWS: Final = 10_000
_UNUSED_FOR: Final = timedelta(days=7)

#: The end of a name that PostgreSQL gives the indexes of a REINDEX CONCURRENTLY.
_LEFT_OVER: Final = re.compile(r"_cc(new|old)[0-9]*$")


def missing(report: DatabaseReport) -> Iterator[Finding]:
    """Find indexes that a model declares and the database lacks."""
    for index in report.missing_indexes:
        rows = next((table.row_count for table in report.tables if table.name == index.table), None)
        yield Finding(
            f"index:missing:{index.name}",
            "critical",
            f"The index {index.name} on {index.table} does not exist",
            {"table": index.table, "rows": rows},
            index.sql,
        )


def invalid(report: DatabaseReport) -> Iterator[Finding]:
    """Find indexes whose build failed: every write maintains them, and no query can use them."""
    for table in report.tables:
        for index in table.indexes:
            if not index.valid:
                yield Finding(
                    f"index:invalid:{index.name}",
                    "critical",
                    f"The index {index.name} on {table.name} is invalid",
                    {"table": table.name, "bytes": index.bytes},
                    _rebuild(index.name),
                )


def _rebuild(index: str) -> str:
    # What REINDEX CONCURRENTLY left when it failed stands beside the index, which is still used.
    is_left_over = _LEFT_OVER.search(index) is not None
    return f"{'DROP' if is_left_over else 'REINDEX'} INDEX CONCURRENTLY {index};"


def needless(report: DatabaseReport) -> Iterator[Finding]:
    """Find indexes that can be dropped: unused for days, or replaced by another one."""
    rows = {table.name: table.row_count or 0 for table in report.tables}
    since = report.server.get("stats_reset")
    counted = since is not None and datetime.now(UTC) - since >= _UNUSED_FOR
    for usage in report.index_usage:
        if usage.verdict != "drop" or rows.get(usage.index.table, 0) < _MIN_ROWS:
            continue
        if usage.prefix_of or (counted and usage.scans == 0):
            kind = "redundant" if usage.prefix_of else "unused"
            yield Finding(
                f"index:{kind}:{usage.index.name}",
                "info",
                f"The index {usage.index.name} on {usage.index.table} is {kind}",
                _evidence(usage, since),
                _drop(usage, report),
            )


def _drop(usage: IndexUsage, report: DatabaseReport) -> str:
    # PostgreSQL drops the index of a partitioned table with those of its partitions, and not CONCURRENTLY.
    partitioned = any(table.partitions for table in report.tables if table.name == usage.index.table)
    online = "" if partitioned or "journal_mode" in report.server else "CONCURRENTLY "
    sql = f"DROP INDEX {online}{usage.index.name};"
    if usage.declared_in is None:
        return sql
    return f"{sql}  -- and delete it from Meta.indexes of {usage.declared_in}"


def _evidence(usage: IndexUsage, since: datetime | None) -> dict[str, Any]:
    return {
        "scans": usage.scans,
        "since": since,
        "bytes": usage.figures and usage.figures.bytes,
        "begins_like": list(usage.prefix_of),
        "hot_queries_planned_without_it": usage.proof and usage.proof.planned,
        "would_lose_their_plan": list(usage.proof.losers) if usage.proof else None,
    }

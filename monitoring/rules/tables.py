"""Rules about tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from monitoring import registry
from monitoring.findings import Finding
from monitoring.missing_indexes import app_of
from monitoring.report_data import DatabaseReport
from monitoring.retention import Retention
from monitoring.table_statistics import TableFigures

#: Tables with fewer rows need no maintenance.
_MIN_ROWS: Final = 10_000

#: Shares of a table from which expired, dead and changed rows are reported.
_EXPIRED_SHARE: Final = 0.1
_DEAD_SHARE: Final = 0.2
_CHANGED_SHARE: Final = 0.2

#: SQLite's estimate of the rows may be wrong by this factor.
_ESTIMATE_FACTOR: Final = 4

#: How long autovacuum may take. PostgreSQL also counts changes late: those of a load that ended with ANALYZE
#: may show as changes after it.
_AUTOVACUUM_DELAY: Final = timedelta(minutes=10)

#: Sequential scans, and their share of all scans, from which they are reported.
_MIN_SCANS: Final = 1000
_SCANS_SHARE: Final = 0.1


def missing(report: DatabaseReport) -> Iterator[Finding]:
    """Find tables that do not exist. If none does, the database was not migrated."""
    if report.tables and not any(table.exists for table in report.tables):
        yield Finding(
            "database:empty",
            "critical",
            "The database has no tables",
            {"tables": [table.name for table in report.tables]},
            "python manage.py migrate",
        )
        return
    for table in report.tables:
        if not table.exists:
            app = app_of(table.name)
            yield Finding(
                f"table:missing:{table.name}",
                "critical",
                f"The table {table.name} does not exist",
                {"table": table.name, "application": app},
                f"Restore it from a backup; its definition: python manage.py sqlmigrate {app} 0001",
            )


def expired(report: DatabaseReport) -> Iterator[Finding]:
    """Find rows older than their table's retention. Those of a partitioned table leave by partition."""
    rows = {table.name: table.row_count or 0 for table in report.tables}
    partitioned = {table.name for table in report.tables if table.partitions}
    for each in report.expired:
        if each.table in partitioned:
            continue
        kept = each.retention
        many = each.rows >= _MIN_ROWS and each.rows >= _EXPIRED_SHARE * rows.get(each.table, 0)
        yield Finding(
            f"table:archive:{each.table}",
            "warning" if many else "info",
            f"{each.table} has rows older than {kept.setting}",
            {"rows": each.rows, "counted_all": each.complete, "bytes": each.bytes, kept.setting: kept.days},
            _archive_command(each.table),
        )


def _archive_command(table: str) -> str:
    return registry.monitored_app().archive.format(table=table)


def _is_sqlite(report: DatabaseReport) -> bool:
    return "journal_mode" in report.server


def partitioning(report: DatabaseReport) -> Iterator[Finding]:
    """Find tables that are so large that old rows should leave them by archive or by partition."""
    kept = {table.name: table.retention for table in registry.monitored_app().tables}
    for table in report.tables:
        retention = kept.get(table.name)
        limit = retention.partition_above if retention else None
        if retention and limit and (table.row_count or 0) > limit:
            yield from _too_large(report, table, retention, limit)


def _too_large(
    report: DatabaseReport, table: TableFigures, retention: Retention, limit: int
) -> Iterator[Finding]:
    figures = {"rows": table.row_count, "bytes": table.total_bytes, "rows_per_day": table.rows_per_day}
    if _is_sqlite(report):
        older = sum(each.rows for each in report.expired if each.table == table.name)
        yield Finding(
            f"table:partition:{table.name}",
            "info",
            f"{table.name} has more than {limit} rows, and SQLite has no partitions: archive old rows, or "
            "use PostgreSQL, where a partition is cheap to drop",
            {**figures, retention.setting: retention.days, "rows_older": older},
            f"{_archive_command(table.name)}  # or DATABASE_URL=postgresql://USER:PASSWORD@HOST:PORT/NAME",
        )
    # Where the figures are missing, the number of partitions is None.
    elif table.partitions == 0:
        yield Finding(
            f"table:partition:{table.name}",
            "info",
            f"{table.name} has more than {limit} rows: with partitions, old rows are cheap to drop",
            figures,
            registry.monitored_app().partition,
        )


def statistics(report: DatabaseReport) -> Iterator[Finding]:
    """Find tables whose planner statistics are missing or out of date."""
    for table in report.tables:
        rows, estimated, changed = table.row_count or 0, table.estimated_rows, table.changed_since_analyze
        if not table.exists or rows < _MIN_ROWS:
            continue
        if changed is None:
            # SQLite counts no changes: compare the planner's estimate with the row count.
            outdated = not rows / _ESTIMATE_FACTOR <= (estimated or 0) <= rows * _ESTIMATE_FACTOR
        else:
            analyzed = table.last_analyze
            waited = analyzed is None or datetime.now(UTC) - analyzed > _AUTOVACUUM_DELAY
            outdated = waited and changed >= _CHANGED_SHARE * rows
        if estimated is None or outdated:
            state = "missing" if estimated is None else "out of date"
            yield Finding(
                f"table:statistics:{table.name}",
                "warning",
                f"The planner's statistics of {table.name} are {state}",
                {"rows": rows, "estimated_rows": estimated, "changed_since_analyze": changed},
                f"ANALYZE {table.name};",
            )


def dead_rows(report: DatabaseReport) -> Iterator[Finding]:
    """Find tables with many dead rows."""
    for table in report.tables:
        dead = table.dead_rows or 0
        if dead >= _MIN_ROWS and dead >= _DEAD_SHARE * (table.row_count or 0):
            yield Finding(
                f"table:vacuum:{table.name}",
                "warning",
                f"{table.name} has {dead} dead rows",
                {"dead_rows": dead, "rows": table.row_count},
                f"VACUUM (ANALYZE) {table.name};",
            )


def sequential_scans(report: DatabaseReport) -> Iterator[Finding]:
    """Find large tables that are often read in full."""
    for table in report.tables:
        scans, by_index = table.sequential_scans or 0, table.index_scans or 0
        often = scans >= _MIN_SCANS and scans >= _SCANS_SHARE * (scans + by_index)
        # Most scans may date from when the table was small, so look at the rows they read.
        if often and (table.sequential_rows or 0) / scans >= _MIN_ROWS:
            yield Finding(
                f"table:scans:{table.name}",
                "warning",
                f"{table.name} is often read in full",
                {"sequential_scans": scans, "index_scans": by_index, "rows_read": table.sequential_rows},
                registry.monitored_app().explain_queries,
            )

"""Rules about tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from monitoring import registry
from monitoring.findings import Finding
from monitoring.missing_indexes import app_of
from monitoring.retention import condition
from monitoring.rules.commands import has_command

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport

#: Rows from which upkeep matters.
_LARGE: Final = 10_000

#: Share of a table that must be old before anybody is told, and dead or changed before it costs.
_OLD_SHARE: Final = 0.1
_DEAD_SHARE: Final = 0.2
_CHANGED_SHARE: Final = 0.2
_GUESS: Final = 4

#: How long autovacuum may take before somebody is told. PostgreSQL also counts changes late: those of a load
#: that ended with ANALYZE may show as changes after it.
_SETTLING: Final = timedelta(minutes=10)

#: Scans of a whole table that must have been, and share of all scans that they must be.
_SCANS_FROM: Final = 1000
_SCANS_SHARE: Final = 0.1


def missing(report: "DatabaseReport") -> Iterator[Finding]:
    """Find tables that are not there; without any, nobody has migrated."""
    if report.tables and not any(table.exists for table in report.tables):
        yield Finding(
            "database:empty",
            "critical",
            "The database has none of the tables",
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
                f"The table {table.name} is not there",
                {"table": table.name, "application": app},
                f"Restore it from a backup; its definition: python manage.py sqlmigrate {app} 0001",
            )


def expired(report: "DatabaseReport") -> Iterator[Finding]:
    """Find rows that are older than they are kept for."""
    rows = {table.name: table.row_count or 0 for table in report.tables}
    for each in report.expired:
        kept = each.retention
        many = each.rows >= _LARGE and each.rows >= _OLD_SHARE * rows.get(each.table, 0)
        where = condition(each.table, kept).replace("%s", _days_ago(report, kept.days))
        command = f"python manage.py archive --table {each.table} --older-than {kept.days}d"
        yield Finding(
            f"table:archive:{each.table}",
            "warning" if many else "info",
            f"{each.table} has rows that are older than {kept.setting} says",
            {"rows": each.rows, "counted_all": each.complete, "bytes": each.bytes, kept.setting: kept.days},
            command if has_command("archive") else f"DELETE {where};",
        )


def _days_ago(report: "DatabaseReport", days: int) -> str:
    """Return a moment in the engine's own SQL."""
    sqlite = "journal_mode" in report.server
    return f"datetime('now', '-{days} days')" if sqlite else f"now() - interval '{days} days'"


def partitioning(report: "DatabaseReport") -> Iterator[Finding]:
    """Find tables that are large enough for partitions by time, where the engine has them."""
    large_from = {table.name: table.large_from for table in registry.monitored_app().tables}
    for table in report.tables:
        limit = large_from.get(table.name)
        # An engine that has partitions tells how many there are.
        if limit and table.partitions == 0 and (table.row_count or 0) > limit:
            growth = table.growth.rows_a_day if table.growth else None
            command = "python manage.py partition_events --dry-run"
            sql = f"CREATE TABLE {table.name}_by_month (LIKE {table.name}) PARTITION BY RANGE (created_at);"
            yield Finding(
                f"table:partition:{table.name}",
                "info",
                f"{table.name} has more than {limit} rows: partitions by month make old rows cheap to drop",
                {"rows": table.row_count, "bytes": table.total_bytes, "rows_per_day": growth},
                command if has_command("partition_events") else sql,
            )


def statistics(report: "DatabaseReport") -> Iterator[Finding]:
    """Find tables whose statistics mislead the planner, or are not there."""
    for table in report.tables:
        rows, estimated, changed = table.row_count or 0, table.estimated_rows, table.changed_since_analyze
        if not table.exists or rows < _LARGE:
            continue
        if changed is None:
            # Where changes are not counted, the number of rows that the planner believes in tells; it is a
            # guess even when it is fresh.
            old = not rows / _GUESS <= (estimated or 0) <= rows * _GUESS
        else:
            settled = table.last_analyze is None or datetime.now(UTC) - table.last_analyze > _SETTLING
            old = settled and changed >= _CHANGED_SHARE * rows
        if estimated is None or old:
            yield Finding(
                f"table:statistics:{table.name}",
                "warning",
                f"The planner's statistics of {table.name} are {'not there' if estimated is None else 'old'}",
                {"rows": rows, "estimated_rows": estimated, "changed_since_analyze": changed},
                f"ANALYZE {table.name};",
            )


def dead_rows(report: "DatabaseReport") -> Iterator[Finding]:
    """Find tables that are full of dead rows."""
    for table in report.tables:
        dead = table.dead_rows or 0
        if dead >= _LARGE and dead >= _DEAD_SHARE * (table.row_count or 0):
            yield Finding(
                f"table:vacuum:{table.name}",
                "warning",
                f"{table.name} has {dead} dead rows",
                {"dead_rows": dead, "rows": table.row_count},
                f"VACUUM (ANALYZE) {table.name};",
            )


def sequential_scans(report: "DatabaseReport") -> Iterator[Finding]:
    """Find large tables that are often read from end to end."""
    for table in report.tables:
        scans, by_index = table.sequential_scans or 0, table.index_scans or 0
        often = scans >= _SCANS_FROM and scans >= _SCANS_SHARE * (scans + by_index)
        # Many scans were of the table when it was small: what they read in all tells.
        if often and (table.sequential_rows or 0) / scans >= _LARGE:
            yield Finding(
                f"table:scans:{table.name}",
                "warning",
                f"{table.name} is often read from end to end",
                {"sequential_scans": scans, "index_scans": by_index, "rows_read": table.sequential_rows},
                "python manage.py explain_queries",
            )

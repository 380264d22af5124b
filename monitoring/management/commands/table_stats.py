"""`manage.py table_stats`: size and growth of the tables, size and use of their indexes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from monitoring import registry
from monitoring.formatting import first_line, human_bytes, iso_now
from monitoring.management.reports import ReportCommand
from monitoring.report import database_report
from monitoring.report_data import DatabaseReport

Rows = list[dict[str, Any]]


class Command(ReportCommand):
    help = "Show rows, bytes, index bytes and growth of each table, and the use of each index."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--verify", action="store_true", help="count the rows and compare with the kept counts"
        )
        parser.add_argument("--repair", action="store_true", help="correct wrong counts; implies --verify")

    def handle(self, **options: Any) -> None:
        verify = options["verify"] or options["repair"]
        verified = _verified(repair=options["repair"]) if verify else []
        report = database_report(plans=False)
        if options["json"]:
            document = {
                "table_statistics": {table.name: table.as_json() for table in report.tables},
                "server": dict(report.server),
                "errors": dict(report.errors),
                "timestamp": iso_now(),
            }
            self.write_json({**document, "verified": verified} if verify else document)
        else:
            self._write(report)
            self._write_verified(verified)

    def _write(self, report: DatabaseReport) -> None:
        for section, why in report.errors.items():
            self.stdout.write(f"No {section}: {why}")
        heads = ("table", "rows", "exact", "size", "indexes", "rows/day", "last vacuum", "last analyze")
        rows = (
            (
                table.name if table.exists else f"{table.name} (missing)",
                table.row_count,
                table.exact,
                _size(table.table_bytes),
                _size(table.index_bytes),
                table.rows_per_day,
                table.last_vacuum and f"{table.last_vacuum:%Y-%m-%d %H:%M}",
                table.last_analyze and f"{table.last_analyze:%Y-%m-%d %H:%M}",
            )
            for table in report.tables
        )
        self.write_table(heads, rows)
        self.stdout.write("")
        self.write_table(
            ("index", "table", "size", "scans", "hit rate"),
            (
                (index.name, table.name, _size(index.bytes), index.scans, index.hit_rate)
                for table in report.tables
                for index in table.indexes
            ),
        )

    def _write_verified(self, verified: Rows) -> None:
        for row in verified:
            part = f" ({row['status']}, {row['queue']})" if row["status"] else ""
            wrong = "" if row["right"] else "  WRONG"
            self.stdout.write(f"{row['table']}{part}: {row['counted']} counted, {row['kept']} kept{wrong}")


def _verified(*, repair: bool) -> Rows:
    try:
        rows = registry.monitored_app().verify(repair)
    except DatabaseError as error:
        raise CommandError(f"The rows cannot be counted: {first_line(error)}", returncode=2) from error
    return [{**row, "right": row["counted"] == row["kept"]} for row in rows]


def _size(size: int | None) -> str | None:
    return None if size is None else human_bytes(size)

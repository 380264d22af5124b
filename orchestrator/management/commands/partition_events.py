"""`manage.py partition_events`: makes events a partitioned table and keeps its partitions."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, Final

from django.core.management.base import CommandError

from monitoring.management.reports import ReportCommand
from orchestrator import archive, background, partitions
from orchestrator.management.databases import migrated_database
from orchestrator.partitions import PartitionReport, TableIsLocked

_NOTHING: Final = {
    "unsupported": "SQLite has no partitions: there is nothing to do.",
    "busy": "Another run works on the partitions: there is nothing to do.",
}


class Command(ReportCommand):
    help = (
        "Partition the table events by PARTITION_EVENTS_BY on PostgreSQL, while clients read and write it: "
        "the first run converts the plain table, whose rows become the first partition. Then create coming "
        "partitions, detach those older than EVENT_RETENTION_DAYS, and drop those whose rows "
        "`archive` has in files. Run it daily. Safe at any time, and twice at once; a run that was killed is "
        "continued by the next one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="only show what a run would do")

    def handle(self, **options: Any) -> None:
        with migrated_database():
            report = _report(dry_run=options["dry_run"])
        if options["json"]:
            self.write_json(asdict(report))
        elif report.state in _NOTHING:
            self.stdout.write(_NOTHING[report.state])
        else:
            self.stdout.writelines(f"{line}\n" for line in _lines(report))


def _report(*, dry_run: bool) -> PartitionReport:
    """Do the run. The lease of a killed run lasts, but its lock on the partitions has ended with it."""
    try:
        report = None if dry_run else background.partition_events(converting=True)
        return report or partitions.run(dry_run=dry_run, archived=archive.archived_rows)
    except TableIsLocked as error:
        raise CommandError(str(error)) from error


def _lines(report: PartitionReport) -> list[str]:
    done = {
        "converted; its rows are in": (report.converted,) if report.converted else (),
        "created": report.created,
        "detached": report.detached,
        "covered by one empty partition: all time before": (f"{report.past_until:%Y-%m-%d}",)
        if report.past_until
        else (),
        "dropped": report.dropped,
    }
    verb = "would be " if report.dry_run else ""
    lines = [f"{verb}{what} {', '.join(names)}".capitalize() for what, names in done.items() if names]
    if report.waiting:
        lines.append(f"Waiting for `archive --table events`: {', '.join(report.waiting)}")
    there, ends = ("There would be ", "would end") if report.dry_run else ("", "ends")
    lines.append(f"{there}{report.coming} coming partitions; the last one {ends} at {report.until:%Y-%m-%d}.")
    return lines

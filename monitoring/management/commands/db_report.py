"""`manage.py db_report`: what should be done about the database, and why."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from monitoring import findings
from monitoring.management.reports import ReportCommand
from monitoring.report import DatabaseReport, database_report, document


class Command(ReportCommand):
    help = (
        "Show findings and recommendations about database and cache, each with its evidence and what to do. "
        "Exit status: 0 if none is above info, else 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--acknowledge", metavar="ID", help="note that a finding is known and stays")
        parser.add_argument("--reason", metavar="TEXT", default="", help="why, with --acknowledge")
        parser.add_argument("--forget", metavar="ID", help="take an acknowledgement back")

    def handle(self, **options: Any) -> None:
        try:
            self._settle(options)
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            raise CommandError(f"Nothing can be noted: {reason}", returncode=2) from error
        report = database_report()
        if options["json"]:
            self.write_json(document(report))
        else:
            self._write(report)
        sys.exit(int(any(finding.level != "info" for finding in report.findings)))

    def _settle(self, options: dict[str, Any]) -> None:
        if options["acknowledge"]:
            if not options["reason"].strip():
                raise CommandError("--acknowledge needs --reason: why may it stay?", returncode=2)
            findings.acknowledge(options["acknowledge"], options["reason"].strip(), getpass.getuser())
        if options["forget"] and not findings.forget(options["forget"]):
            raise CommandError(f"--forget {options['forget']!r}: nobody has acknowledged that", returncode=2)

    def _write(self, report: DatabaseReport) -> None:
        for section, why in report.errors.items():
            self.stdout.write(f"No {section}: {why}")
        if not report.findings:
            self.stdout.write("Nothing to recommend.")
        for finding in report.findings:
            self.stdout.write(f"{finding.level.upper()}  {finding.title}  [{finding.id}]")
            for name, value in finding.evidence.items():
                self.stdout.write(f"    {name}: {value}")
            if finding.acknowledged:
                self.stdout.write(f"    acknowledged: {finding.acknowledged['reason']}")
            self.stdout.write(f"    -> {finding.action}")

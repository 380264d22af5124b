"""`manage.py db_report`: findings and recommendations about the database and the cache."""

import getpass
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from monitoring import findings
from monitoring.formatting import first_line, printable
from monitoring.management.reports import ReportCommand
from monitoring.report import database_report
from monitoring.report_data import DatabaseReport
from monitoring.serialization import performance_document


class Command(ReportCommand):
    help = (
        "Show findings and recommendations about database and cache, each with its evidence and action. "
        "Exit status: 0 if none is above info, else 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--acknowledge", metavar="ID", help="accept a finding: it becomes info")
        parser.add_argument("--reason", metavar="TEXT", default="", help="why, with --acknowledge")
        parser.add_argument("--unacknowledge", metavar="ID", help="delete a finding's acknowledgement")

    def handle(self, **options: Any) -> None:
        try:
            self._acknowledge(options)
        except DatabaseError as error:
            raise CommandError(
                f"The acknowledgement cannot be saved: {first_line(error)}", returncode=2
            ) from error
        report = database_report()
        if options["json"]:
            self.write_json(performance_document(report))
        else:
            self._write(report)
        sys.exit(int(any(finding.level != "info" for finding in report.findings)))

    def _acknowledge(self, options: dict[str, Any]) -> None:
        if options["acknowledge"]:
            if not options["reason"].strip():
                raise CommandError("--acknowledge needs --reason", returncode=2)
            findings.acknowledge(options["acknowledge"], options["reason"].strip(), _user())
        finding = options["unacknowledge"]
        if finding and not findings.unacknowledge(finding):
            raise CommandError(f"--unacknowledge {finding!r}: it is not acknowledged", returncode=2)

    def _write(self, report: DatabaseReport) -> None:
        for section, why in report.errors.items():
            self.stdout.write(f"No {section}: {why}")
        if not report.findings:
            self.stdout.write("No findings.")
        for finding in report.findings:
            # Names of jobs and workers are in it: anybody may have chosen them.
            self.stdout.write(printable(f"{finding.level.upper()}  {finding.title}  [{finding.id}]"))
            for name, value in finding.evidence.items():
                self.stdout.write(f"    {name}: {printable(value)}")
            if finding.acknowledged:
                self.stdout.write(f"    acknowledged: {finding.acknowledged['reason']}")
            self.stdout.write(f"    -> {finding.action}")


def _user() -> str:
    """Return the name of the user who runs the command; the id in a container that does not name its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"

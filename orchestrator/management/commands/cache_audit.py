"""`manage.py cache_audit`: compares cached responses with the database."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from functools import partial
from typing import Any

from tqdm import tqdm

from monitoring.management.reports import ReportCommand
from orchestrator import background
from orchestrator.cache import client
from orchestrator.cache.audit import AuditReport, Verdict
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.management.databases import migrated_database


class Command(ReportCommand):
    help = (
        "Compare cached responses with the database. "
        "Exit status: 0 all equal or the cache is off, 1 one differs or the cache does not respond, "
        "2 the database is not available."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--sample", type=_positive, metavar="N", help="compare at most N responses (default: all)"
        )

    def handle(self, *args: Any, sample: int | None, json: bool, **options: Any) -> None:
        try:
            with migrated_database():
                report = background.cache_audit(sample, partial(tqdm, unit=" responses", disable=None))
            error = None if client.current().enabled else "the cache is off"
        except CacheUnavailable as unavailable:
            report, error = AuditReport({verdict.value: 0 for verdict in Verdict}, ()), str(unavailable)
        if report is None:
            self.write_busy(json=json)
            return
        if json:
            self.write_json({**asdict(report), "error": error})
        else:
            self._print(report, error)
        if report.stale or (error and client.current().enabled):
            sys.exit(1)

    def _print(self, report: AuditReport, error: str | None) -> None:
        if error:
            self.stdout.write(f"Nothing was compared: {error.rstrip('.')}.")
            return
        counts = ", ".join(f"{number:,} {verdict}" for verdict, number in report.verdicts.items())
        self.stdout.write(f"Cached responses: {counts}.")
        for key in report.stale:
            self.stdout.write(self.style.ERROR(f"stale: {key}"))


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed: a whole number from 1")
    return int(text)

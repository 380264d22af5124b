"""The audit of the cache, from a terminal."""

import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from orchestrator.api.replay import replay
from orchestrator.cache import audit, client
from orchestrator.cache.audit import Report, Verdict
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.json_codec import to_json


class Command(BaseCommand):
    """Compares cached answers with the database."""

    help = "Compare cached answers with the database. Exit status: 0 all equal, 1 otherwise."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sample", type=_positive, metavar="N", help="look at N answers at most; all without"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document instead of text")

    def handle(self, *args: Any, sample: int | None, json: bool, **options: Any) -> None:
        try:
            recipes = tqdm(audit.cached_keys(client.current(), sample), unit=" answers", disable=None)
            report, error = audit.audit(recipes, replay), None
        except CacheUnavailable as unavailable:
            report, error = Report({verdict.value: 0 for verdict in Verdict}, ()), str(unavailable)
        if json:
            self.stdout.write(to_json({**asdict(report), "error": error}, indent=True).decode())
        else:
            self._tell(report, error)
        if report.stale:
            sys.exit(1)

    def _tell(self, report: Report, error: str | None) -> None:
        if error:
            self.stdout.write(f"Nothing to compare: {error}.")
        counts = ", ".join(f"{number:,} {verdict}" for verdict, number in report.verdicts.items())
        self.stdout.write(f"Cached answers: {counts}.")
        for recipe in report.stale:
            self.stdout.write(self.style.ERROR(f"stale: {recipe}"))


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise CommandError(f"--sample={text!r} cannot be; allowed: a whole number from 1 on", returncode=2)
    return int(text)

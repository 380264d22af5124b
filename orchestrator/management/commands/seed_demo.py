"""`manage.py seed_demo`: adds realistic rows to the database."""

import time
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.management.base import CommandError
from django.utils import timezone
from tqdm import tqdm

from monitoring.formatting import iso_timestamp
from monitoring.management.reports import ReportCommand
from orchestrator.demo.bulk_load import load
from orchestrator.demo.seed_plan import SeedPlan
from orchestrator.management.databases import migrated_database

MAX_COUNT: Final = 100_000_000
MAX_SEED: Final = 2**63 - 1
#: The end of the data is rounded down to a multiple of this, so that runs shortly after each other agree.
UNTIL_MINUTES: Final = 5


class Command(ReportCommand):
    help = (
        "Adds realistic jobs with their histories, events, tasks and users. The same seed gives the same "
        "names, priorities, statuses and intervals, on any engine. Everything happened in the last 90 days. "
        "Users have no password. Each run adds new rows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        # Strings, not integers: an invalid number gives a one-line message, also with call_command.
        parser.add_argument("--jobs", metavar="N", default=2000, help="number of jobs (default: %(default)s)")
        parser.add_argument(
            "--events",
            metavar="N",
            help="number of events: histories of the newest jobs, then events of agents "
            "(default: all histories and a few events of agents, about three events for each job)",
        )
        parser.add_argument(
            "--tasks", metavar="N", default=300, help="number of tasks (default: %(default)s)"
        )
        parser.add_argument("--users", metavar="N", default=40, help="number of users (default: %(default)s)")
        parser.add_argument("--seed", metavar="S", default=1, help="a whole number (default: %(default)s)")

    def handle(self, **options: Any) -> None:
        plan = _plan(options)
        started = time.perf_counter()
        with (
            migrated_database(),
            tqdm(total=plan.size, unit=" rows", unit_scale=True, disable=None, leave=False) as bar,
        ):
            rows = load(plan, progress=bar.update)
        self._report(plan, rows, time.perf_counter() - started, as_json=options["json"])

    def _report(self, plan: SeedPlan, rows: dict[str, int], seconds: float, *, as_json: bool) -> None:
        report = {
            "rows": rows,
            "seconds": round(seconds, 3),
            "rows_per_second": round(sum(rows.values()) / seconds),
            "seed": plan.seed,
            "until": iso_timestamp(plan.until),
        }
        if as_json:
            self.write_json(report)
        else:
            counts = ", ".join(f"{count:,} {table}" for table, count in rows.items())
            self.stdout.write(f"Added {counts} in {seconds:.1f} s ({report['rows_per_second']:,} rows/s).")


def _plan(options: dict[str, Any]) -> SeedPlan:
    """Return the plan for the options; raise ``CommandError`` if one of them is invalid."""
    counts = {name: _integer(name, options[name], MAX_COUNT) for name in ("jobs", "tasks", "users")}
    events = None if options["events"] is None else _integer("events", options["events"], MAX_COUNT)
    seed = _integer("seed", options["seed"], MAX_SEED)
    return SeedPlan(**counts, events=events, seed=seed, until=_until())


def _integer(name: str, value: str | int, maximum: int) -> int:
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) <= len(str(maximum)) and int(text) <= maximum:
        return int(text)
    raise CommandError(
        f"--{name} {text!r} cannot be used; allowed: a whole number from 0 to {maximum}", returncode=2
    )


def _until() -> datetime:
    now = timezone.now().replace(second=0, microsecond=0)
    return now - timedelta(minutes=now.minute % UNTIL_MINUTES)

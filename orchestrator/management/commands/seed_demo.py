"""`manage.py seed_demo`: fills the database with a believable past."""

import time
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from tqdm import tqdm

from monitoring.readiness import unapplied_migrations
from orchestrator.demo.bulk_load import load
from orchestrator.demo.seed_plan import SeedPlan

LARGEST_COUNT: Final = 100_000_000
LARGEST_SEED: Final = 2**63 - 1
FIRST_YEAR: Final = 1972
LAST_YEAR: Final = 9000
#: What an instant that is not given is rounded down to, so that runs of one sitting agree.
DEFAULT_UNTIL_STEP: Final = timedelta(minutes=5)


class Command(BaseCommand):
    help = (
        "Adds jobs with their histories, events, tasks and users as a real orchestrator has them. The same "
        "seed gives the same names, priorities, statuses and distances in time; with the same --until also "
        "the same times and ids, on any engine. Users have no password. Run again, it adds as many others."
    )
    # It looks at the one thing that matters to it, the migrations, by itself.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        # Texts, not numbers: what is wrong with one is told in one line, also to call_command.
        parser.add_argument("--jobs", metavar="N", default=2000, help="how many jobs (default: %(default)s)")
        parser.add_argument(
            "--events",
            metavar="N",
            help="how many events: the histories of the jobs, newest first, and then events of agents "
            "(default: every history and a few of the agents', about three for each job)",
        )
        parser.add_argument("--tasks", metavar="N", default=300, help="how many tasks (default: %(default)s)")
        parser.add_argument("--users", metavar="N", default=40, help="how many users (default: %(default)s)")
        parser.add_argument("--seed", metavar="S", default=1, help="a whole number (default: %(default)s)")
        parser.add_argument(
            "--until",
            metavar="INSTANT",
            help="ISO 8601; everything happened in the 90 days before (default: the last full five minutes)",
        )
        parser.add_argument("--json", action="store_true", help="report as one JSON document")

    def handle(self, **options: Any) -> None:
        plan = _plan(options)
        started = time.perf_counter()
        try:
            _require_migrated()
            with tqdm(total=plan.entries, unit=" rows", unit_scale=True, disable=None, leave=False) as bar:
                rows = load(plan, progress=bar.update)
        except DatabaseError as error:
            reason = str(error).strip().partition("\n")[0]
            raise CommandError(f"The database refuses: {reason}", returncode=2) from error
        self._report(plan, rows, time.perf_counter() - started, as_json=options["json"])

    def _report(self, plan: SeedPlan, rows: dict[str, int], seconds: float, *, as_json: bool) -> None:
        report = {
            "rows": rows,
            "seconds": round(seconds, 3),
            "rows_per_second": round(sum(rows.values()) / seconds),
            "seed": plan.seed,
            "until": plan.until.isoformat().replace("+00:00", "Z"),
        }
        if as_json:
            self.stdout.write(orjson.dumps(report).decode())
        else:
            counts = ", ".join(f"{count:,} {table}" for table, count in rows.items())
            self.stdout.write(f"Added {counts} in {seconds:.1f} s ({report['rows_per_second']:,} rows/s).")


def _plan(options: dict[str, Any]) -> SeedPlan:
    """Return the plan that the options describe; raise ``CommandError`` for one that cannot be."""
    counts = {name: _whole_number(name, options[name], LARGEST_COUNT) for name in ("jobs", "tasks", "users")}
    events = None if options["events"] is None else _whole_number("events", options["events"], LARGEST_COUNT)
    seed = _whole_number("seed", options["seed"], LARGEST_SEED)
    return SeedPlan(**counts, events=events, seed=seed, until=_until(options["until"]))


def _whole_number(name: str, value: str | int, largest: int) -> int:
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) <= len(str(largest)) and int(text) <= largest:
        return int(text)
    raise CommandError(
        f"--{name} {text!r} cannot be used; allowed: a whole number from 0 to {largest}", returncode=2
    )


def _until(value: str | datetime | None) -> datetime:
    if value is None:
        now = timezone.now()
        return now - (now - datetime.min.replace(tzinfo=UTC)) % DEFAULT_UNTIL_STEP
    try:
        instant = value if isinstance(value, datetime) else parse_datetime(value)
    except ValueError:  # of the right shape, but no such day or hour
        instant = None
    if instant is None or not FIRST_YEAR <= instant.year <= LAST_YEAR:
        allowed = f"ISO 8601 of the years {FIRST_YEAR} to {LAST_YEAR}, such as 2026-11-23T09:00:00Z"
        raise CommandError(f"--until {str(value)!r} cannot be used; allowed: {allowed}", returncode=2)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC).replace(microsecond=0)


def _require_migrated() -> None:
    if unapplied_migrations(connection):
        raise CommandError("The database is not migrated; run `manage.py migrate` first.", returncode=2)

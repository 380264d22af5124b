"""Every hot query before and after the performance report's indexes: `python -m benchmarks.index_report`.

Measures on a scratch database that is created beside the configured one, filled and dropped again. Writes the
section "Performance Test Results" as Markdown to the standard output.
"""

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
    django.setup()

from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.plan_checks import HotQuery, from_queryset
from monitoring.plans import Plan as QueryPlan
from monitoring.plans import Reading, reader
from orchestrator.demo.bulk_load import analyze, load
from orchestrator.demo.seed_plan import SeedPlan
from orchestrator.hot_queries import UNMANAGED_INDEXES, hot_queries
from orchestrator.models import Job, User

ALIAS: Final = "index_report"
#: Name and migration of each stage; None is the newest migration.
STAGES: Final = (("before", "0001_initial"), ("after", "0002_performance_optimization"), ("now", None))
#: The four queries that the performance report names.
REPORT_QUERIES: Final = (
    "jobs by status",
    "jobs by status and priority",
    "events by type",
    "user by username",
)

#: Only the newest stage has them, and their queries need them.
_NEW_INDEXES: Final = frozenset({"ix_jobs_claim", "ix_jobs_claim_queue", "ix_jobs_schedule"})

#: A query runs this often, or until its runs have taken this many milliseconds.
MAX_RUNS: Final = 15
MAX_MS: Final = 500.0

_HEAD: Final = """\
| query | rows | index before | ms | index after | ms | times as fast | index now | ms |
| --- | ---: | --- | ---: | --- | ---: | ---: | --- | ---: |"""


@dataclass(frozen=True)
class Measurement:
    """One query at one stage: its plan, the milliseconds of its fastest run, and the rows it returned."""

    plan: QueryPlan
    ms: float
    rows: int

    @property
    def index(self) -> str:
        """Return the index that was used, and whether the rows were sorted after they were read."""
        return (" + ".join(self.plan.indexes) or "none") + (", sorted" if self.plan.sort == "full" else "")


Measurements = dict[str, dict[str, Measurement]]


def index_report(plan: SeedPlan, using: str = "default") -> Iterator[str]:
    """Measure, and yield the lines of the Markdown.

    Args:
        plan: the rows to measure on.
        using: alias of the database beside which the scratch database is created.
    """
    measured: Measurements = {}
    rows: dict[str, int] = {}
    with _scratch_database(using) as connection:
        # From the newest back to the first, because rows are written with the columns of the newest.
        for stage, migration in reversed(STAGES):
            target = ("orchestrator", migration) if migration else ()
            call_command("migrate", *target, database=ALIAS, verbosity=0)
            _add_new_columns(connection)
            rows = rows or load(plan, progress=lambda _: None, using=ALIAS)
            analyze(connection)
            for query in _queries(connection):
                measured.setdefault(query.name, {})[stage] = _measure(connection, query)
        yield from _markdown(_engine(connection), rows, measured)


def _add_new_columns(connection: BaseDatabaseWrapper) -> None:
    """Add the columns of jobs that the stage does not have yet: every query reads them."""
    with connection.cursor() as cursor:
        existing = {column.name for column in connection.introspection.get_table_description(cursor, "jobs")}
    with connection.schema_editor() as editor:
        for field in Job._meta.concrete_fields:
            if field.column not in existing:
                editor.add_field(Job, field)


def _queries(connection: BaseDatabaseWrapper) -> Iterator[HotQuery]:
    """Yield the queries that exist at every stage; "user by username" queries an existing user."""
    username = User.objects.using(connection.alias).order_by("id").values_list("username", flat=True).first()
    for query in hot_queries():
        if query.table == "cache_outbox" or query.index in _NEW_INDEXES | UNMANAGED_INDEXES:
            continue
        if query.name == "user by username":
            yield replace(query, statement=from_queryset(User.objects.filter(username=username)))
        else:
            yield query


def _measure(connection: BaseDatabaseWrapper, query: HotQuery) -> Measurement:
    statement = query.statement(connection)
    with reader(connection) as read:
        plan = read(statement, Reading())
    times: list[float] = []
    rows: list[Any] = []
    with connection.cursor() as cursor:
        while len(times) < MAX_RUNS and sum(times) < MAX_MS:
            started = time.perf_counter()
            cursor.execute(statement.sql, statement.parameters)
            rows = cursor.fetchall()
            times.append((time.perf_counter() - started) * 1000)
    return Measurement(plan, min(times), len(rows))


def _markdown(engine: str, rows: dict[str, int], measured: Measurements) -> Iterator[str]:
    sizes = ", ".join(f"{count:,} {table}" for table, count in rows.items())
    yield "## Performance Test Results"
    yield ""
    yield f"{engine}, {sizes}; `python -m benchmarks.index_report --jobs {rows['jobs']}`."
    yield ""
    yield (
        "Before is migration `0001_initial`, after is `0002_performance_optimization`, now is the newest. "
        f"Milliseconds are those of the fastest of up to {MAX_RUNS} runs, one query at a time, all rows "
        "fetched; the index is the planner's free choice."
    )
    yield ""
    yield from (_HEAD, *(_line(name, measured[name]) for name in REPORT_QUERIES))
    yield ""
    yield "### All other hot queries"
    yield ""
    yield from (
        _HEAD,
        *(_line(name, stages) for name, stages in measured.items() if name not in REPORT_QUERIES),
    )


def _line(name: str, stages: dict[str, Measurement]) -> str:
    before, after, now = (stages[stage] for stage, _ in STAGES)
    cells = (
        name,
        str(now.rows),
        before.index,
        f"{before.ms:.2f}",
        after.index,
        f"{after.ms:.2f}",
        f"{before.ms / after.ms:.1f}",
        now.index,
        f"{now.ms:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def _engine(connection: BaseDatabaseWrapper) -> str:
    if connection.vendor == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}"
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0].split()[0]}"


@contextmanager
def _scratch_database(using: str) -> Iterator[BaseDatabaseWrapper]:
    """Create an empty database beside another one, and drop it after the block."""
    settings = deepcopy(connections[using].settings_dict)
    settings["OPTIONS"].pop("pool", None)
    with _created(using, settings):
        connections.databases[ALIAS] = settings
        try:
            yield connections[ALIAS]
        finally:
            connections[ALIAS].close()
            del connections[ALIAS], connections.databases[ALIAS]


@contextmanager
def _created(using: str, settings: dict[str, Any]) -> Iterator[None]:
    """Put the name of a new database into the settings, and drop the database after the block."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        with tempfile.TemporaryDirectory(dir=Path(settings["NAME"]).parent, prefix=f"{ALIAS}_") as directory:
            settings["NAME"] = str(Path(directory) / "scratch.sqlite3")
            yield
        return
    settings["NAME"] = name = f"{ALIAS}_{os.getpid()}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(name)}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {connection.ops.quote_name(name)} WITH (FORCE)")


def main() -> None:
    """Write the report for the configured database's engine."""
    parser = argparse.ArgumentParser(description="Measure hot queries before and after the report's indexes.")
    parser.add_argument("--jobs", type=int, default=100_000, help="number of jobs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the rows (default: %(default)s)")
    arguments = parser.parse_args()
    jobs, until = arguments.jobs, datetime.now(UTC).replace(microsecond=0)
    # As many tasks and users as an orchestrator with so many jobs has, but at least 100.
    plan = SeedPlan(
        jobs=jobs,
        events=None,
        tasks=max(jobs // 5, 100),
        users=max(jobs // 20, 100),
        seed=arguments.seed,
        until=until,
    )
    sys.stdout.writelines(f"{line}\n" for line in index_report(plan))


if __name__ == "__main__":
    main()

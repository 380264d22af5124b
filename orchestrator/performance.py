"""The performance report: every hot query before and after the report's indexes, on a database of its own."""

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from monitoring.hot_queries import HotQuery, from_queryset
from monitoring.plans import Plan as QueryPlan
from monitoring.plans import read, require_known_engine
from orchestrator.demo.loading import analyze, load
from orchestrator.demo.plan import Plan
from orchestrator.hot_queries import hot_queries
from orchestrator.models import User

ALIAS: Final = "performance_report"
#: Migrations that the queries are measured at, and what they are called; None is the newest.
STAGES: Final = (
    ("before", "0001_initial"),
    ("after", "0002_performance_optimization"),
    ("now", None),
)
#: The four queries that the report names.
OF_THE_REPORT: Final = ("jobs by status", "jobs by status and priority", "events by type", "user by name")

_RUNS: Final = 15
#: Seconds after which a query is not run again.
_ENOUGH: Final = 0.5


@dataclass(frozen=True)
class Measured:
    """How a query was served at one stage.

    Args:
        plan: as the planner freely chose it.
        ms: milliseconds of the fastest of several runs, fetching the rows included: what others do on the
            machine at the same time only ever adds to it.
        rows: rows that it gave.
    """

    plan: QueryPlan
    ms: float
    rows: int

    @property
    def index(self) -> str:
        """Return the index that was used, and what had to be done besides."""
        words = [" + ".join(self.plan.indexes) or "none"]
        if self.plan.sort == "full":
            words.append("sorted")
        return ", ".join(words)


@dataclass(frozen=True)
class Comparison:
    """A hot query at every stage.

    Args:
        name: of the query.
        stages: what was measured, by the stages' names.
    """

    name: str
    stages: dict[str, Measured]

    @property
    def speedup(self) -> float:
        """Return how many times as fast as before the report's indexes it is after them."""
        return self.stages["before"].ms / self.stages["after"].ms


@dataclass(frozen=True)
class PerformanceReport:
    """What was measured, and on what.

    Args:
        engine: its name and version.
        rows: how many each table had.
        seed: of the rows.
        comparisons: the report's own queries first.
    """

    engine: str
    rows: dict[str, int]
    seed: int
    comparisons: tuple[Comparison, ...]


def performance_report(
    plan: Plan, *, using: str = "default", progress: Callable[[str], object]
) -> PerformanceReport:
    """Measure every hot query before and after the report's indexes, on a scratch database beside another.

    Args:
        plan: the rows to measure on.
        using: the alias of the database beside which the scratch database is made, and removed after.
        progress: called with what is done next.

    Raises:
        DatabaseError: when the scratch database cannot be made or filled.
        UnknownEngineError: when the database is of an engine whose plans cannot be read.
    """
    require_known_engine(connections[using])
    with _scratch_database(using) as connection:
        measured: dict[str, dict[str, Measured]] = {}
        rows: dict[str, int] = {}
        for stage, migration in STAGES:
            progress(f"migrating to {migration or 'the newest migration'}")
            call_command("migrate", *_target(migration), database=ALIAS, verbosity=0)
            if not rows:
                progress(f"filling it with {plan.jobs:,} jobs")
                rows = load(plan, progress=lambda _: None, using=ALIAS)
            analyze(connection)
            progress(f"measuring {stage}")
            for query in _queries(connection):
                measured.setdefault(query.name, {})[stage] = _measure(connection, query)
        return PerformanceReport(_engine(connection), rows, plan.seed, _compared(measured))


def _target(migration: str | None) -> tuple[str, ...]:
    return ("orchestrator", migration) if migration else ()


def _queries(connection: BaseDatabaseWrapper) -> Iterator[HotQuery]:
    """Yield what can be asked at every stage; a user is asked for who is there."""
    somebody = User.objects.using(connection.alias).order_by("id").values_list("username", flat=True).first()
    for query in hot_queries():
        if query.table == "cache_outbox":
            continue
        if query.name == "user by name":
            yield replace(query, statement=from_queryset(User.objects.filter(username=somebody)))
        else:
            yield query


def _measure(connection: BaseDatabaseWrapper, query: HotQuery) -> Measured:
    statement = query.statement(connection)
    plan = read(connection, statement)
    times: list[float] = []
    rows: list[Any] = []
    with connection.cursor() as cursor:
        while len(times) < _RUNS and sum(times) < _ENOUGH * 1000:
            started = time.perf_counter()
            cursor.execute(statement.sql, statement.parameters)
            rows = cursor.fetchall()
            times.append((time.perf_counter() - started) * 1000)
    return Measured(plan, min(times), len(rows))


def _compared(measured: dict[str, dict[str, Measured]]) -> tuple[Comparison, ...]:
    names = (*OF_THE_REPORT, *(name for name in measured if name not in OF_THE_REPORT))
    return tuple(Comparison(name, measured[name]) for name in names)


def _engine(connection: BaseDatabaseWrapper) -> str:
    if connection.vendor == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}"
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0].split()[0]}"


@contextmanager
def _scratch_database(using: str) -> Iterator[BaseDatabaseWrapper]:
    """Make an empty database beside another, and remove it after the block."""
    description = deepcopy(connections[using].settings_dict)
    description["OPTIONS"].pop("pool", None)
    with _made(using, description):
        connections.databases[ALIAS] = description
        try:
            yield connections[ALIAS]
        finally:
            connections[ALIAS].close()
            del connections[ALIAS], connections.databases[ALIAS]


@contextmanager
def _made(using: str, description: dict[str, Any]) -> Iterator[None]:
    """Put the name of a new database into a description of one, and remove the database after the block."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        with tempfile.TemporaryDirectory(dir=Path(description["NAME"]).parent, prefix=f"{ALIAS}_") as folder:
            description["NAME"] = str(Path(folder) / "scratch.sqlite3")
            yield
        return
    description["NAME"] = name = f"{ALIAS}_{os.getpid()}_{timezone.now():%H%M%S}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(name)}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {connection.ops.quote_name(name)} WITH (FORCE)")

"""The four queries of the performance report, before and after its indexes."""

import statistics
import time
from typing import Any

from benchmarks.lab import ENGINES, Lab
from benchmarks.options import Options
from benchmarks.results import Goal, Report, number

BEFORE, AFTER = "0001_initial", "0002_performance_optimization"
REPETITIONS = 200
#: Each query: its name, its SQL, and the milliseconds that the report had for it.
QUERIES = (
    ("jobs by status", "SELECT * FROM jobs WHERE status = 'failed' ORDER BY created_at DESC LIMIT 100", 0.28),
    (
        "jobs by status and priority",
        "SELECT * FROM jobs WHERE status = 'failed' AND priority = 10 LIMIT 100",
        0.08,
    ),
    (
        "events by type",
        "SELECT * FROM events WHERE type = 'job_failed' ORDER BY created_at DESC LIMIT 100",
        0.04,
    ),
    ("user by name", "SELECT * FROM users WHERE username = 'bench'", 0.04),
)


def run(lab: Lab, options: Options) -> Report:
    """Measure on both engines, with the indexes of each of the two migrations."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for engine in ENGINES:
        site = lab.copy(lab.rows(engine, options.jobs), f"queries_{engine}")
        for migration in (BEFORE, AFTER):
            site.manage("migrate", "orchestrator", migration, "--verbosity", "0")
            found.setdefault(engine, {})[migration] = site.prepare("report_queries")
    rows, goals = [], []
    for engine, measured in found.items():
        for (name, _, reported), before, after in zip(
            QUERIES, measured[BEFORE], measured[AFTER], strict=True
        ):
            times = (number(before["ms"]), number(after["ms"]))
            rows.append((f"{engine}, {name}", *times, str(after["rows"]), before["plan"], after["plan"]))
            goals.append(Goal(f"ms of {name} on {engine}", after["ms"], reported, at_most=True))
    return Report(
        title=f"The queries of the performance report, {options.jobs:,} jobs (medians, ms)",
        columns=("query", "before 0002", "after", "rows", "plan before", "plan after"),
        rows=rows,
        goals=goals,
        measured=found,
    )


def measure() -> list[dict[str, Any]]:
    """Return for each query its time in milliseconds, its rows and its plan; needs Django's settings."""
    from django.db import connection  # noqa: PLC0415 - this process has Django's settings, others have not

    found = []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE jobs, events, users")
        for _, query, _ in QUERIES:
            times = []
            for _ in range(REPETITIONS):
                began = time.perf_counter()
                cursor.execute(query)
                rows = cursor.fetchall()
                times.append((time.perf_counter() - began) * 1000)
            found.append({"ms": statistics.median(times), "rows": len(rows), "plan": _plan(cursor, query)})
    return found


def _plan(cursor: Any, query: str) -> str:
    if cursor.db.vendor == "sqlite":
        cursor.execute(f"EXPLAIN QUERY PLAN {query}")
        return "; ".join(row[3] for row in cursor.fetchall())
    cursor.execute(f"EXPLAIN (COSTS OFF) {query}")
    nodes = [line.strip().removeprefix("->").strip() for (line,) in cursor.fetchall()]
    return "; ".join(node for node in nodes if " " in node and ":" not in node)

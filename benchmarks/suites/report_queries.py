"""The four queries of the performance report, before and after its indexes."""

import statistics
import time
from typing import Any

from benchmarks.options import Options
from benchmarks.suite_report import Goal, Report, number
from benchmarks.testbed import ENGINES, Lab

BEFORE, AFTER = "0001_initial", "0002_performance_optimization"
REPETITIONS = 200
#: Rows that are asked for: a few, as the report had it, and a page of the API.
FEW, PAGE = 10, 100
#: Each query: its name, its SQL, and the milliseconds that the report had for it.
QUERIES = (
    ("jobs by status", "SELECT * FROM jobs WHERE status = 'failed' ORDER BY created_at DESC", 0.28),
    ("jobs by status and priority", "SELECT * FROM jobs WHERE status = 'failed' AND priority = 10", 0.08),
    ("events by type", "SELECT * FROM events WHERE type = 'job_failed' ORDER BY created_at DESC", 0.04),
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
            times = (f"{number(before[key])} → {number(after[key])}" for key in ("engine", "python", "page"))
            plans = (
                f"{before['plan']} → {after['plan']}" if before["plan"] != after["plan"] else after["plan"]
            )
            rows.append((f"{engine}, {name}", *times, str(after["rows"]), plans))
            goals.append(Goal(f"ms of {name} on {engine}", after["engine"], reported, at_most=True))
    return Report(
        title=f"The report's queries, {options.jobs:,} jobs, before 0002 → after (medians in ms)",
        columns=("query", "the engine's", f"with {FEW} rows in Python", f"with {PAGE}", "rows", "plan"),
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
            own, few, rows = _timed(cursor, f"{query} LIMIT {FEW}")
            _, page, _ = _timed(cursor, f"{query} LIMIT {PAGE}")
            plan = _plan(cursor, f"{query} LIMIT {FEW}")
            found.append({"engine": own, "python": few, "page": page, "rows": rows, "plan": plan})
    return found


def _timed(cursor: Any, query: str) -> tuple[float, float, int]:
    """Return what a query takes by the engine's own clock and with its rows in Python, in ms, and its rows.

    SQLite has no clock of its own, and works while its rows are fetched.
    """
    own, whole, rows = [], [], []
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        cursor.execute(query)
        rows = cursor.fetchall()
        whole.append((time.perf_counter() - began) * 1000)
        own.append(whole[-1] if cursor.db.vendor == "sqlite" else _clocked(cursor, query))
    return statistics.median(own), statistics.median(whole), len(rows)


def _clocked(cursor: Any, query: str) -> float:
    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}")
    return float(cursor.fetchone()[0][0]["Execution Time"])


def _plan(cursor: Any, query: str) -> str:
    if cursor.db.vendor == "sqlite":
        cursor.execute(f"EXPLAIN QUERY PLAN {query}")
        return "; ".join(row[3] for row in cursor.fetchall())
    cursor.execute(f"EXPLAIN (COSTS OFF) {query}")
    nodes = [line.strip().removeprefix("->").strip() for (line,) in cursor.fetchall()]
    return "; ".join(node for node in nodes if " " in node and ":" not in node)

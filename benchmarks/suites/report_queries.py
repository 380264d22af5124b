"""The four queries of the performance report, before and after its indexes."""

import statistics
import time
from typing import Any

from benchmarks.options import Options
from benchmarks.suite_report import Goal, SuiteReport, format_number
from benchmarks.testbed import ENGINES, Testbed

BEFORE, AFTER = "0001_initial", "0002_performance_optimization"
REPETITIONS = 200
#: LIMIT of a query: a few rows, as in the report, and a page of the API.
FEW, PAGE = 10, 100
#: Name, SQL, and the milliseconds in the report.
QUERIES = (
    ("jobs by status", "SELECT * FROM jobs WHERE status = 'failed' ORDER BY created_at DESC", 0.28),
    ("jobs by status and priority", "SELECT * FROM jobs WHERE status = 'failed' AND priority = 10", 0.08),
    ("events by type", "SELECT * FROM events WHERE type = 'job_failed' ORDER BY created_at DESC", 0.04),
    ("user by username", "SELECT * FROM users WHERE username = 'bench'", 0.04),
)


def run(testbed: Testbed, options: Options) -> SuiteReport:
    """Measure on both engines, with the indexes of either migration."""
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for engine in ENGINES:
        deployment = testbed.copy(testbed.seeded(engine, options.jobs), f"queries_{engine}")
        for migration in (BEFORE, AFTER):
            deployment.manage("migrate", "orchestrator", migration, "--verbosity", "0")
            results.setdefault(engine, {})[migration] = deployment.run_step("report_queries")
    rows, goals = [], []
    for engine, measured in results.items():
        for (name, _, reported), before, after in zip(
            QUERIES, measured[BEFORE], measured[AFTER], strict=True
        ):
            times = (
                f"{format_number(before[key])} → {format_number(after[key])}"
                for key in ("database", "python", "page")
            )
            plans = (
                f"{before['plan']} → {after['plan']}" if before["plan"] != after["plan"] else after["plan"]
            )
            rows.append((f"{engine}, {name}", *times, str(after["rows"]), plans))
            goals.append(Goal(f"{name} on {engine}, ms", after["database"], reported, at_most=True))
    return SuiteReport(
        title=f"The report's queries, {options.jobs:,} jobs, before → after 0002 (medians, ms)",
        columns=(
            "query",
            "in the database",
            f"{FEW} rows in Python",
            f"{PAGE} rows in Python",
            "rows",
            "plan",
        ),
        rows=rows,
        goals=goals,
        measurements=results,
    )


def measure() -> list[dict[str, Any]]:
    """Return each query's milliseconds, number of rows and plan; needs Django's settings."""
    from django.db import connection  # noqa: PLC0415 - only this process is set up for Django

    measured = []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE jobs, events, users")
        for _, query, _ in QUERIES:
            in_database, few, rows = _timed(cursor, f"{query} LIMIT {FEW}")
            _, page, _ = _timed(cursor, f"{query} LIMIT {PAGE}")
            plan = _plan(cursor, f"{query} LIMIT {FEW}")
            measured.append(
                {"database": in_database, "python": few, "page": page, "rows": rows, "plan": plan}
            )
    return measured


def _timed(cursor: Any, query: str) -> tuple[float, float, int]:
    """Return a query's time in the database, its time with all rows in Python, in ms, and its number of rows.

    SQLite runs in this process and works while rows are fetched, so both times are the same.
    """
    in_database, in_python, rows = [], [], []
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        cursor.execute(query)
        rows = cursor.fetchall()
        in_python.append((time.perf_counter() - began) * 1000)
        in_database.append(in_python[-1] if cursor.db.vendor == "sqlite" else _execution_ms(cursor, query))
    return statistics.median(in_database), statistics.median(in_python), len(rows)


def _execution_ms(cursor: Any, query: str) -> float:
    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}")
    return float(cursor.fetchone()[0][0]["Execution Time"])


def _plan(cursor: Any, query: str) -> str:
    if cursor.db.vendor == "sqlite":
        cursor.execute(f"EXPLAIN QUERY PLAN {query}")
        return "; ".join(row[3] for row in cursor.fetchall())
    cursor.execute(f"EXPLAIN (COSTS OFF) {query}")
    nodes = [line.strip().removeprefix("->").strip() for (line,) in cursor.fetchall()]
    return "; ".join(node for node in nodes if " " in node and ":" not in node)

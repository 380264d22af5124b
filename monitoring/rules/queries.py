"""Rules about queries and sessions."""

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from monitoring import registry
from monitoring.findings import Finding
from monitoring.report_data import DatabaseReport, Figures

#: Mean duration in milliseconds, and number of calls, from which a statement is slow.
_SLOW_MS: Final = 250
_MIN_CALLS: Final = 10

#: Requests of a route with repeated statements from which the route is reported.
_MIN_REPEATED: Final = 10

#: Seconds from which an open transaction is reported.
_LONG_TRANSACTION: Final = 60

#: The beginning of a statement that EXPLAIN takes; COMMIT, COPY and VACUUM have no plan.
_HAS_PLAN: Final = re.compile(
    r"(?:\s|\(|/\*.*?\*/)*+(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES|TABLE)\b", re.IGNORECASE
)
_SHOW_WAITS: Final = (
    "SELECT pid, wait_event_type, wait_event, query FROM pg_stat_activity WHERE state = 'active';"
    "  -- while the statement runs"
)


def plans(report: DatabaseReport) -> Iterator[Finding]:
    """Find hot queries that are not served as declared; on a small table this is only information."""
    existing = {table.name for table in report.tables if table.exists}
    for plan in report.plans:
        if not plan.ok and (plan.hot.table in existing or not report.tables):
            yield Finding(
                f"plan:{plan.query}",
                "warning" if plan.free else "info",
                f"The query {plan.query!r} does not use its declared index",
                {"index": plan.index, "expected": plan.expected, "ms": plan.ms},
                registry.monitored_app().explain_queries,
            )


def slow(report: DatabaseReport) -> Iterator[Finding]:
    """Find statements that are slow on average."""
    for row in report.slow_queries:
        if row["calls"] >= _MIN_CALLS and row["mean_ms"] >= _SLOW_MS:
            yield Finding(
                f"statement:slow:{_digest(row['query'])}",
                "warning",
                "A statement is slow on average",
                {name: row[name] for name in ("query", "calls", "mean_ms", "total_ms")},
                _show_plan(row),
            )


def repeated(report: DatabaseReport) -> Iterator[Finding]:
    """Find routes that run one statement for each row they show."""
    for suspect in report.suspects:
        if suspect["requests"] >= _MIN_REPEATED:
            yield Finding(
                f"repeated:{suspect['route']}:{_digest(suspect['statement'])}",
                "info",  # only a suspicion: a loop that works in steps repeats its statements as well
                f"{suspect['route']} runs one statement many times in a request",
                dict(suspect),
                "Use select_related() or prefetch_related() in the view",
            )


def sessions(report: DatabaseReport) -> Iterator[Finding]:
    """Find sessions that block others or keep a transaction open for long."""
    for session in report.sessions:
        pid, seconds = session["pid"], session["transaction_seconds"] or 0
        if session["blocked_by"]:
            title = f"Session {pid} waits for a lock of another session"
            action = _end_lock(session["blocked_by"][0])
        elif seconds >= _LONG_TRANSACTION:
            title = f"Session {pid} has had a transaction open for {seconds:.0f} seconds"
            action = f"SELECT pg_terminate_backend({pid});"
        else:
            continue
        evidence = {
            name: session[name] for name in ("state", "application", "transaction_seconds", "blocked_by")
        }
        yield Finding(f"session:{pid}", "warning", title, evidence, action)


def _end_lock(pid: int) -> str:
    """Return the SQL that ends the transaction with a lock; PostgreSQL names a prepared one with 0."""
    if pid:
        return f"SELECT pg_terminate_backend({pid});"
    return "SELECT gid, prepared, owner FROM pg_prepared_xacts;  -- then ROLLBACK PREPARED 'gid';"


def _show_plan(row: Figures) -> str:
    if "queryid" not in row:  # the requests keep the start of a statement only
        return registry.monitored_app().explain_queries
    if not _HAS_PLAN.match(row["query"]):
        return _SHOW_WAITS
    # psql's \gexec runs what the query returns; the plan is made without values and nothing is executed.
    explain = "SELECT 'EXPLAIN (GENERIC_PLAN) ' || query FROM pg_stat_statements"
    return f"{explain} WHERE queryid = {row['queryid']} LIMIT 1 \\gexec"


def _digest(sql: str) -> str:
    return hashlib.blake2b(sql.encode(), digest_size=6).hexdigest()

"""Rules about queries and sessions."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from monitoring.findings import Finding

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport

#: Milliseconds on average, and calls, from which a statement is slow.
_SLOW_MS: Final = 250
_SLOW_CALLS: Final = 10

#: Requests of a route from which its repeated statements are no accident.
_REPEATED_FROM: Final = 10

#: Seconds that a transaction may take, and that one may idle.
_LONG: Final = 60


def plans(report: "DatabaseReport") -> Iterator[Finding]:
    """Find hot queries that are not served as declared; of a small table that matters to nobody yet."""
    there = {table.name for table in report.tables if table.exists}
    for plan in report.plans:
        if not plan.ok and (plan.hot.table in there or not report.tables):
            yield Finding(
                f"plan:{plan.query}",
                "warning" if plan.free else "info",
                f"The query {plan.query!r} is not served by the index it should be",
                {"index": plan.index, "expected": plan.expected, "ms": plan.ms},
                "python manage.py explain_queries",
            )


def slow(report: "DatabaseReport") -> Iterator[Finding]:
    """Find statements that are slow on average."""
    for row in report.slow_queries:
        if row["calls"] >= _SLOW_CALLS and row["mean_ms"] >= _SLOW_MS:
            digest = hashlib.blake2b(row["query"].encode(), digest_size=6).hexdigest()
            yield Finding(
                f"statement:slow:{digest}",
                "warning",
                "A statement is slow on average",
                {name: row[name] for name in ("query", "calls", "mean_ms", "total_ms")},
                f"EXPLAIN (ANALYZE, BUFFERS) {row['query']};",
            )


def repeated(report: "DatabaseReport") -> Iterator[Finding]:
    """Find routes that run one statement for each row they show."""
    for suspect in report.suspects:
        if suspect["requests"] >= _REPEATED_FROM:
            digest = hashlib.blake2b(suspect["statement"].encode(), digest_size=6).hexdigest()
            yield Finding(
                f"repeated:{suspect['route']}:{digest}",
                "info",  # a suspect: a page that catches up, or waits, repeats itself as well
                f"{suspect['route']} runs one statement many times in a request",
                dict(suspect),
                "select_related() or prefetch_related() in its view: fetch with the list what each row shows",
            )


def sessions(report: "DatabaseReport") -> Iterator[Finding]:
    """Find sessions that keep others, or the vacuum, from their work."""
    for session in report.sessions:
        pid, seconds = session["pid"], session["transaction_seconds"] or 0
        if session["blocked_by"]:
            title = f"The session {pid} waits for a lock that another one holds"
            action = f"SELECT pg_terminate_backend({session['blocked_by'][0]});"
        elif seconds >= _LONG:
            title = f"The session {pid} has had a transaction open for {seconds:.0f} seconds"
            action = f"SELECT pg_terminate_backend({pid});"
        else:
            continue
        evidence = {
            name: session[name] for name in ("state", "application", "transaction_seconds", "blocked_by")
        }
        yield Finding(f"session:{pid}", "warning", title, evidence, action)

"""The SQL that requests run: how often, how long, and whether once for each row."""

import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring import prometheus

logger = logging.getLogger("monitoring.sql")

#: Statements that a process tells apart; the others are one, so that no request can make the figures grow.
KNOWN_AT_MOST: Final = 100
OTHER: Final = "other"

#: Characters of a statement that are shown.
SHOWN: Final = 200

#: How often one request must run one statement to be suspected of asking once for each row.
SUSPICIOUS_FROM: Final = 10

#: Statements told at most.
SLOWEST: Final = 10

_LITERAL: Final = re.compile(r"'(?:[^']|'')*'|\$\d+|%s|\b\d+(?:\.\d+)?\b|\?")
_LIST: Final = re.compile(r"\((?:\s*\?\s*,)+\s*\?\s*\)(?:\s*,\s*\(\?+\))*")
_ROWS: Final = re.compile(r"(\(…\))(?:\s*,\s*\(…\))+")
_SPACE: Final = re.compile(r"\s+")

_known: set[str] = set()
_answered_at = 0.0


@dataclass
class Queries:
    """The statements of one request."""

    count: int = 0
    seconds: float = 0.0
    by_statement: Counter[str] = field(default_factory=Counter)

    @property
    def repeated(self) -> list[str]:
        """Return the queries that were run suspiciously often; a change is not a look at each row."""
        often = (text for text, times in self.by_statement.items() if times >= SUSPICIOUS_FROM)
        return [text for text in often if text.startswith("SELECT")]


#: The statements of the request at hand, or None where none is at hand.
of_request: ContextVar[Queries | None] = ContextVar("queries of the request", default=None)


@lru_cache(maxsize=2048)
def normalised(sql: str) -> str:
    """Return a statement without any value, on one line: what two calls of it have in common."""
    text = _LITERAL.sub("?", sql)
    text = _ROWS.sub(r"\1", _LIST.sub("(…)", text))
    return _SPACE.sub(" ", text).strip()[:SHOWN]


def observe(execute: Callable[..., Any], sql: str, parameters: Any, *more: Any) -> Any:
    """Run a statement, as Django's ``execute_wrapper`` does, and note that it was answered, and how fast."""
    global _answered_at  # noqa: PLW0603 - one clock a process
    started, queries = time.monotonic(), of_request.get()
    try:
        answer = execute(sql, parameters, *more)
        _answered_at = time.monotonic()
        return answer
    finally:
        if queries is not None or settings.SQL_ECHO:
            _note(queries, str(sql), time.monotonic() - started)


def answered_since(moment: float) -> bool:
    """Tell whether the database has answered any statement of this process since a moment.

    Args:
        moment: by the monotonic clock.
    """
    return _answered_at > moment


def _note(queries: Queries | None, sql: str, seconds: float) -> None:
    if settings.SQL_ECHO:
        # Without the values: a password's hash is one of them.
        logger.info("%.1f ms %s", seconds * 1000, _SPACE.sub(" ", sql))
    if queries is None:
        return
    text = normalised(sql)
    queries.count += 1
    queries.seconds += seconds
    queries.by_statement[text] += 1
    prometheus.STATEMENTS.labels(bounded(text)).observe(seconds)


def bounded(text: str) -> str:
    """Return a statement as a label that there are not too many of."""
    if text in _known:
        return text
    if len(_known) >= KNOWN_AT_MOST:
        return OTHER
    _known.add(text)
    return text


def watch_connection(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Observe the statements of a connection; a receiver of ``connection_created``."""
    if observe not in connection.execute_wrappers:
        connection.execute_wrappers.append(observe)


def slowest() -> list[dict[str, Any]]:
    """Return the statements that took the requests of all processes the most time."""
    sums: dict[str, dict[str, float]] = {}
    for metric in prometheus.collected():
        if metric.name == "kyros_sql_seconds":
            for sample in metric.samples:
                if not sample.name.endswith("_bucket"):
                    sums.setdefault(sample.labels["statement"], {})[sample.name.rpartition("_")[2]] = (
                        sample.value
                    )
    told: list[dict[str, Any]] = [
        {
            "query": text,
            "calls": int(figures["count"]),
            "mean_ms": round(1000 * figures["sum"] / figures["count"], 3),
            "total_ms": round(1000 * figures["sum"], 3),
            "source": "requests",
        }
        for text, figures in sums.items()
        if figures.get("count")
    ]
    return sorted(told, key=lambda row: row["total_ms"], reverse=True)[:SLOWEST]


def suspects() -> tuple[dict[str, Any], ...]:
    """Return the routes that ran one statement many times in one request, with how many requests did."""
    return tuple(
        {
            "route": sample.labels["route"],
            "statement": sample.labels["statement"],
            "requests": int(sample.value),
        }
        for metric in prometheus.collected()
        if metric.name == "kyros_sql_repeated"
        for sample in metric.samples
    )

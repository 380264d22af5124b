"""The SQL statements of requests: how often they run, how long they take, and whether they repeat."""

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
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring import prometheus

logger = logging.getLogger("monitoring.sql")

#: A process uses at most this many statements as labels; all others share one, so clients cannot add labels.
MAX_LABELS: Final = 100
OTHER: Final = "other"

#: Characters of a statement that are kept.
MAX_LENGTH: Final = 200

#: Characters of a statement that are normalized, and cached: the rest of a longer one is lists of values.
MAX_SQL_LENGTH: Final = 4096

#: Repetitions of a query in one request from which it may run once for each row.
MIN_REPETITIONS: Final = 10

#: Number of statements that ``slow_queries`` returns.
MAX_SLOW_QUERIES: Final = 10

_LITERAL: Final = re.compile(r"'(?:[^']|'')*'|\$\d+|%s|\b\d+(?:\.\d+)?\b|\?")
_LIST: Final = re.compile(r"\((?:\s*\?\s*,)+\s*\?\s*\)(?:\s*,\s*\(\?+\))*")
_ROWS: Final = re.compile(r"(\(…\))(?:\s*,\s*\(…\))+")
_SPACE: Final = re.compile(r"\s+")

_labels: set[str] = set()
_last_response = 0.0


@dataclass
class RequestQueries:
    """The statements of one request."""

    count: int = 0
    seconds: float = 0.0
    by_statement: Counter[str] = field(default_factory=Counter)

    @property
    def repeated(self) -> list[str]:
        """Return the SELECT statements that ran ``MIN_REPETITIONS`` times or more."""
        often = (text for text, times in self.by_statement.items() if times >= MIN_REPETITIONS)
        return [text for text in often if text.startswith("SELECT")]


#: The statements of the current request; None outside of a request.
current_request: ContextVar[RequestQueries | None] = ContextVar("queries of the request", default=None)


def normalize_sql(sql: str) -> str:
    """Return a statement on one line, without values: two calls with other values give the same text."""
    return _normalized(sql[:MAX_SQL_LENGTH])


@lru_cache(maxsize=2048)
def _normalized(sql: str) -> str:
    text = _LITERAL.sub("?", sql)
    text = _ROWS.sub(r"\1", _LIST.sub("(…)", text))
    return _SPACE.sub(" ", text).strip()[:MAX_LENGTH]


def observe(execute: Callable[..., Any], sql: str, parameters: Any, *more: Any) -> Any:
    """Run a statement and record its duration; one of Django's ``execute_wrappers``."""
    global _last_response  # noqa: PLW0603 - one clock for the process
    started, queries = time.monotonic(), current_request.get()
    try:
        result = execute(sql, parameters, *more)
        if more[-1]["connection"].alias == DEFAULT_DB_ALIAS:
            _last_response = time.monotonic()
        return result
    finally:
        if queries is not None or settings.SQL_ECHO:
            _record(queries, str(sql), time.monotonic() - started)


def responded_since(timestamp: float) -> bool:
    """Return whether the database has responded to this process since a time of ``time.monotonic()``."""
    return _last_response > timestamp


def _record(queries: RequestQueries | None, sql: str, seconds: float) -> None:
    if settings.SQL_ECHO:
        # Without parameters: they contain password hashes.
        logger.info("%.1f ms %s", seconds * 1000, _SPACE.sub(" ", sql))
    if queries is None:
        return
    text = normalize_sql(sql)
    queries.count += 1
    queries.seconds += seconds
    queries.by_statement[text] += 1
    prometheus.STATEMENTS.labels(as_label(text)).observe(seconds)


def as_label(text: str) -> str:
    """Return a statement as a label's value; ``OTHER`` once the process has ``MAX_LABELS``."""
    if text in _labels:
        return text
    if len(_labels) >= MAX_LABELS:
        return OTHER
    _labels.add(text)
    return text


def observe_connection(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Observe the statements of a connection; a receiver of ``connection_created``."""
    if observe not in connection.execute_wrappers:
        connection.execute_wrappers.append(observe)


def slow_queries() -> list[dict[str, Any]]:
    """Return the statements with the largest total time, over the requests of all processes."""
    rows = [_row(text, figures) for text, figures in _sums().items() if figures.get("count")]
    return sorted(rows, key=lambda row: row["total_ms"], reverse=True)[:MAX_SLOW_QUERIES]


def _sums() -> dict[str, dict[str, float]]:
    """Return the ``count`` and ``sum`` of each statement's histogram."""
    sums: dict[str, dict[str, float]] = {}
    for sample in prometheus.samples("kyros_sql_seconds"):
        if not sample.name.endswith("_bucket"):
            figures = sums.setdefault(sample.labels["statement"], {})
            figures[sample.name.rpartition("_")[2]] = sample.value
    return sums


def _row(text: str, figures: dict[str, float]) -> dict[str, Any]:
    return {
        "query": text,
        "calls": int(figures["count"]),
        "mean_ms": round(1000 * figures["sum"] / figures["count"], 3),
        "total_ms": round(1000 * figures["sum"], 3),
        "source": "requests",
    }


def n_plus_one_suspects() -> list[dict[str, Any]]:
    """Return the routes that ran one statement many times in a request, and in how many requests."""
    repeated = prometheus.samples("kyros_sql_repeated")
    return [{**sample.labels, "requests": int(sample.value)} for sample in repeated]

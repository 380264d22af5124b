"""The hot queries, each compiled only once: compiling takes longer than planning."""

from dataclasses import replace
from functools import cache

from monitoring.plan_checks import HotQuery
from orchestrator import hot_queries


@cache
def every() -> tuple[HotQuery, ...]:
    """Return all hot queries."""
    return tuple(replace(query, statement=cache(query.statement)) for query in hot_queries.hot_queries())

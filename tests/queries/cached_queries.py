"""The hot queries, each with its statement made once: that takes longer than planning it does."""

from dataclasses import replace
from functools import cache

from monitoring.hot_queries import HotQuery
from orchestrator import hot_queries


@cache
def every() -> tuple[HotQuery, ...]:
    """Return all of them."""
    return tuple(replace(query, statement=cache(query.statement)) for query in hot_queries.hot_queries())

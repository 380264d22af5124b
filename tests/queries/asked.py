"""The hot queries, each with its statement made once: that takes longer than planning it does."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from monitoring.hot_queries import HotQuery
from orchestrator import hot_queries


@cache
def every() -> tuple[HotQuery, ...]:
    """Return all of them, with every combination that a list can be asked for."""
    return _made_once(hot_queries.every_query())


@cache
def shown() -> tuple[HotQuery, ...]:
    """Return those that are shown to people."""
    return _made_once(hot_queries.hot_queries())


def _made_once(queries: Iterable[HotQuery]) -> tuple[HotQuery, ...]:
    # Those of tasks are not kept: how titles are found depends on how many there are.
    return tuple(
        query if query.table == "tasks" else replace(query, statement=cache(query.statement))
        for query in queries
    )

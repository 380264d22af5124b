"""System checks: every index has a reader, and every index that a hot query names exists."""

from collections.abc import Collection, Iterable
from typing import Any

from django.apps import apps
from django.core import checks

from monitoring.plan_checks import HotQuery
from monitoring.plans import PRIMARY_KEY
from orchestrator.hot_queries import UNMANAGED_INDEXES, hot_queries


@checks.register(checks.Tags.models)
def indexes_have_readers(**_: Any) -> list[checks.CheckMessage]:
    """Warn about each index that no hot query needs, and each name in a hot query that is not an index."""
    models = apps.get_app_config("orchestrator").get_models()
    declared = {index.name for model in models for index in model._meta.indexes}
    return compare(declared, hot_queries(), known=UNMANAGED_INDEXES)


def compare(
    declared: Collection[str], queries: Iterable[HotQuery], known: Collection[str] = ()
) -> list[checks.CheckMessage]:
    """Return a warning for each difference between indexes, declared and otherwise known, and hot queries."""
    queries = tuple(queries)
    read = {query.index for query in queries}
    named = read.union(*(query.alternatives for query in queries)) - {PRIMARY_KEY, *known}
    unread = [
        checks.Warning(
            f"No hot query needs the index {name}.",
            hint="Declare the query that reads it in orchestrator/hot_queries.py, or drop the index.",
            obj=name,
            id="orchestrator.W001",
        )
        for name in sorted(set(declared) - read)
    ]
    unknown = [
        checks.Warning(
            f"A hot query names {name}, which is not an index of a model.",
            hint="Correct the name where the query is declared, or declare the index in the model's Meta.",
            obj=name,
            id="orchestrator.W002",
        )
        for name in sorted(named - set(declared))
    ]
    return [*unread, *unknown]

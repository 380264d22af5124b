"""The rules: each looks at the report and says what is not as it should be, with figures and with what to do.

On a healthy installation none of them says more than ``info``.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from monitoring.findings import Finding
from monitoring.rules import (
    cache,
    configuration,
    connections,
    disk,
    indexes,
    partitions,
    pools,
    queries,
    tables,
)

if TYPE_CHECKING:
    from monitoring.report import DatabaseReport

#: Beginnings of the ids of findings about single queries.
ABOUT_QUERIES: Final = ("plan:", "statement:", "repeated:", "index:")

_RULES: Final[tuple[Callable[["DatabaseReport"], Iterator[Finding]], ...]] = (
    cache.unreachable,
    cache.memory,
    cache.backlog,
    cache.wrong_answers,
    cache.times_to_live,
    tables.missing,
    tables.expired,
    tables.partitioning,
    tables.statistics,
    tables.dead_rows,
    tables.sequential_scans,
    indexes.missing,
    indexes.invalid,
    indexes.needless,
    queries.plans,
    queries.slow,
    queries.repeated,
    queries.sessions,
    connections.silent,
    connections.near_limit,
    connections.replicas,
    pools.too_many,
    pools.too_small,
    pools.too_large,
    partitions.runway,
    disk.runway,
    disk.journal,
    disk.free_pages,
    configuration.debug,
    configuration.tokens,
    configuration.echo,
    configuration.replicas,
    configuration.https,
)


def findings(report: "DatabaseReport") -> Iterator[Finding]:
    """Yield what every rule finds."""
    for rule in _RULES:
        yield from rule(report)

"""What each index is used for, and whether it can be dropped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connection

from monitoring import index_catalog
from monitoring.index_catalog import Index
from monitoring.plan_checks import HotQuery, PlanCheck, examine
from monitoring.table_statistics import IndexFigures, TableFigures


@dataclass(frozen=True)
class DropProof:
    """Result of planning the hot queries of a table without one of its indexes.

    Args:
        planned: number of hot queries that were planned.
        losers: queries that the index serves now, or that are not served as declared without it.
    """

    planned: int
    losers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class IndexUsage:
    """What an index is used for.

    Args:
        figures: its size and use; None if its table is not monitored.
        prefix_of: indexes that begin with all of its columns.
        declared_by: hot queries that must be served by it.
        serves: hot queries that it serves now.
        declared_in: the model whose ``Meta.indexes`` has it, ``app.Model``; None if no model has.
        reason: why it stays although another index could replace it; "" for none.
        proof: result of planning without it; None if that was not tried or is not possible.
    """

    index: Index
    figures: IndexFigures | None = None
    prefix_of: tuple[str, ...] = ()
    declared_by: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    declared_in: str | None = None
    reason: str = ""
    proof: DropProof | None = None

    @property
    def scans(self) -> int | None:
        """Return the number of scans; None if the engine does not count them."""
        return self.figures.scans if self.figures else None

    @property
    def verdict(self) -> str:
        """Return ``rebuild``, ``keep``, ``known`` (kept for its reason) or ``drop``."""
        if not self.index.valid:
            return "rebuild"
        if self.reason:
            return "known"
        return "drop" if self.can_be_dropped else "keep"

    @property
    def seems_unused(self) -> bool:
        """Return whether nothing scans it, and no hot query, constraint or reason needs it."""
        needed = self.index.primary or self.index.unique or self.declared_by or self.serves
        return not needed and not self.scans and not self.reason

    @property
    def can_be_dropped(self) -> bool:
        """Return whether it seems unused, and no hot query loses its plan without it."""
        return self.seems_unused and self.proof is not None and not self.proof.losers

    def as_json(self) -> dict[str, Any]:
        """Return the usage as the endpoint shows it."""
        return {
            "index": self.index.name,
            "table": self.index.table,
            "verdict": self.verdict,
            "scans": self.scans,
            "last_used": self.figures and self.figures.last_used,
            "bytes": self.figures and self.figures.bytes,
            "begins_like": list(self.prefix_of),
            "declared_by": list(self.declared_by),
            "serves": list(self.serves),
            "would_lose": list(self.proof.losers) if self.proof else None,
            "reason": self.reason or None,
        }


def index_usage(
    checks: Iterable[PlanCheck],
    measured: Iterable[TableFigures] = (),
    *,
    reasons: Mapping[str, str] | None = None,
    queries: Sequence[HotQuery] = (),
) -> tuple[IndexUsage, ...]:
    """Return the usage of each index.

    Args:
        checks: current plans of hot queries, as many as there was time for.
        measured: the monitored tables.
        reasons: why indexes stay that others could replace, by name.
        queries: every hot query; they are planned without each index that seems unused.
    """
    every = index_catalog.existing_indexes(connection)
    figures = {index.name: index for table in measured for index in table.indexes}
    models = {index.name: model._meta.label for model in apps.get_models() for index in model._meta.indexes}
    planned = [(check.query, check.plan.indexes) for check in checks if check.plan]
    usages = [
        IndexUsage(
            index=index,
            figures=figures.get(index.name),
            prefix_of=tuple(other.name for other in every if index.is_prefix_of(other)),
            declared_by=tuple(query.name for query in queries if query.index == index.name),
            serves=tuple(query for query, indexes in planned if index.name in indexes),
            declared_in=models.get(index.name),
            reason=(reasons or {}).get(index.name, ""),
        )
        for index in every
    ]
    return tuple(
        replace(usage, proof=drop_proof(usage.index, queries)) if usage.seems_unused else usage
        for usage in usages
    )


def drop_proof(index: Index, queries: Iterable[HotQuery]) -> DropProof | None:
    """Plan the hot queries of an index's table as if the index did not exist. Nothing is locked.

    Returns:
        The result; None if no hot query reads the table, or the database refuses, as a replica does.
    """
    about = [query for query in queries if query.table == index.table]
    if not about:
        return None
    try:
        now = {check.query: check for check in examine(about)}
        without = examine(about, without=index)
    except DatabaseError:
        return None
    served = {name for name, check in now.items() if check.plan and index.name in check.plan.indexes}
    lost = {check.query for check in without if not check.ok and (now[check.query].ok or check.plan is None)}
    return DropProof(len(without), tuple(sorted(served | lost)))

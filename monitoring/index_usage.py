"""Index upkeep: what each index is good for, and how to do without one that is good for nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.apps import apps
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from monitoring import index_catalog
from monitoring.hot_queries import HotQuery, PlanCheck, examine, examine_without
from monitoring.index_catalog import Index
from monitoring.serialization import instant_text

# last_idx_scan came with PostgreSQL 16; read like this, an older one says NULL.
_USE_SQL: Final = """
    SELECT coalesce(root_class.relname, use.indexrelname), sum(use.idx_scan)::bigint,
           max((to_jsonb(use) ->> 'last_idx_scan')::timestamptz),
           sum(pg_relation_size(use.indexrelid))::bigint
    FROM pg_stat_user_indexes AS use
    LEFT JOIN pg_class AS root_class ON root_class.oid = pg_partition_root(use.indexrelid)
    GROUP BY 1
"""
_SINCE_SQL: Final = "SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()"

_REMOVAL: Final = """\
# {index} serves nothing; migrating backwards puts it back.
{imports}

class Migration(migrations.Migration):
{atomic}    dependencies = [("{app}", "{newest}")]

    operations = [{operation}("{model}", "{index}")]
"""
_HOW: Final = {
    "postgresql": {
        "imports": (
            "from django.contrib.postgres.operations import RemoveIndexConcurrently\n"
            "from django.db import migrations\n"
        ),
        "atomic": "    atomic = False  # what is dropped concurrently cannot be dropped in a transaction\n\n",
        "operation": "RemoveIndexConcurrently",
    },
    "sqlite": {
        "imports": "from django.db import migrations\n",
        "atomic": "",
        "operation": "migrations.RemoveIndex",
    },
}


_UNTOLD: Final[dict[str, Any]] = dict.fromkeys(("scans", "last_used", "since", "bytes"))


@dataclass(frozen=True)
class DropProof:
    """What planning without an index has shown.

    Args:
        planned: how many hot queries were planned as if it were not there: all that read its table.
        losers: those of them that it serves now, or that are not served as declared without it.
    """

    planned: int
    losers: tuple[str, ...]


@dataclass(frozen=True)
class IndexUsage:
    """What an index is good for.

    Args:
        index: the index.
        scans: how often it was read since ``since``, or None where the engine does not tell.
        last_used: when it was read last, or None where that is not known, or never was.
        since: when the engine began to count, or None where it does not tell.
        bytes: its size, or None where it cannot be had without reading it.
        prefix_of: indexes that begin with all its columns.
        declared_by: hot queries that must be served by it.
        serves: hot queries that it serves now.
        reason: why it stays although another could do its work, or nothing.
        proof: what planning without it has shown, or None where that was not tried or cannot be.
    """

    index: Index
    scans: int | None
    last_used: datetime | None
    since: datetime | None
    bytes: int | None
    prefix_of: tuple[str, ...]
    declared_by: tuple[str, ...]
    serves: tuple[str, ...]
    reason: str
    proof: DropProof | None = None

    @property
    def verdict(self) -> str:
        """Return what to do about it: ``rebuild``, ``keep``, ``known`` (kept for its reason) or ``drop``."""
        if not self.index.valid:
            return "rebuild"
        if self.reason:
            return "known"
        return "drop" if self.can_go else "keep"

    @property
    def idle(self) -> bool:
        """Tell whether it seems to be good for nothing: nothing reads it, and no hot query names it."""
        needed = self.index.primary or self.index.unique or self.declared_by or self.serves
        return not needed and not self.scans and not self.reason

    @property
    def can_go(self) -> bool:
        """Tell whether dropping it is safe: it is idle, and no hot query loses its plan, as was tried."""
        return self.idle and self.proof is not None and not self.proof.losers

    def as_json(self) -> dict[str, Any]:
        """Return the index as the endpoint shows it."""
        return {
            "index": self.index.name,
            "table": self.index.table,
            "verdict": self.verdict,
            "scans": self.scans,
            "last_used": self.last_used and instant_text(self.last_used),
            "since": self.since and instant_text(self.since),
            "bytes": self.bytes,
            "begins_like": list(self.prefix_of),
            "declared_by": list(self.declared_by),
            "serves": list(self.serves),
            "would_lose": list(self.proof.losers) if self.proof else None,
            "reason": self.reason or None,
        }


def index_usage(
    examined: Iterable[PlanCheck],
    using: str = "default",
    *,
    reasons: Mapping[str, str] | None = None,
    queries: Sequence[HotQuery] = (),
) -> tuple[IndexUsage, ...]:
    """Return what each index is good for.

    Args:
        examined: hot queries with the plans that they have now, as many as there was time for.
        using: the database's alias.
        reasons: why indexes stay that others could replace, by name.
        queries: every hot query; they are planned without each index that seems good for nothing.
    """
    connection = connections[using]
    every = index_catalog.present(connection)
    figures = _figures(connection)
    declared = _by_index((query.index, query.name) for query in queries)
    serves = _by_index((index, one.query) for one in examined if one.plan for index in one.plan.indexes)
    uses = [
        IndexUsage(
            index,
            **figures.get(index.name, _UNTOLD),
            prefix_of=tuple(other.name for other in every if index.is_prefix_of(other)),
            declared_by=declared.get(index.name, ()),
            serves=serves.get(index.name, ()),
            reason=(reasons or {}).get(index.name, ""),
        )
        for index in every
    ]
    return tuple(replace(use, proof=proof(use.index, queries, using)) if use.idle else use for use in uses)


def proof(index: Index, queries: Iterable[HotQuery], using: str = "default") -> DropProof | None:
    """Plan the hot queries of an index's table as if it were not there; it stays, and nobody has to wait.

    Args:
        index: the index.
        queries: every hot query.
        using: the database's alias.

    Returns:
        What that has shown, or None where nobody has said what reads the table, or where the database cannot
        try, as a replica.
    """
    about = [query for query in queries if query.table == index.table]
    if not about:
        return None
    try:
        now = {one.query: one for one in examine(about, using)}
        without = examine_without(index, about, using)
    except DatabaseError:
        return None
    served = {name for name, one in now.items() if one.plan and index.name in one.plan.indexes}
    lost = {one.query for one in without if not one.ok and (now[one.query].ok or one.plan is None)}
    return DropProof(len(without), tuple(sorted(served | lost)))


def removal(use: IndexUsage, using: str = "default") -> str | None:
    """Return the Django migration that takes an index away and, backwards, puts it back.

    Args:
        use: the index and what it is good for.
        using: the alias of the database that it would run on first.

    Returns:
        The text of a migration, or None for an index that no model declares.
    """
    for model in apps.get_models():
        if any(index.name == use.index.name for index in model._meta.indexes):
            connection = connections[using]
            app = model._meta.app_label
            ((_, newest),) = MigrationLoader(connection).graph.leaf_nodes(app)
            names = {"app": app, "newest": newest, "model": model._meta.model_name, "index": use.index.name}
            return _REMOVAL.format(**names, **_HOW[connection.vendor])
    return None


def _figures(connection: BaseDatabaseWrapper) -> dict[str, dict[str, Any]]:
    """Return what the engine has counted of each index by its name; nothing where it does not count."""
    if connection.vendor != "postgresql":
        return {}
    ((since,),) = index_catalog.rows_of(connection, _SINCE_SQL)
    return {
        name: {"scans": scans, "last_used": last_used, "since": since, "bytes": size}
        for name, scans, last_used, size in index_catalog.rows_of(connection, _USE_SQL)
    }


def _by_index(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return the names of queries by index, of pairs of both."""
    names: dict[str, tuple[str, ...]] = {}
    for index, query in pairs:
        names[index] = (*names.get(index, ()), query)
    return names

"""Index upkeep: what each index is good for, and how to do without one that is good for nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from monitoring import catalogue
from monitoring.catalogue import Index
from monitoring.hot_queries import Examined

_USE_SQL: Final = """
    SELECT coalesce(root_class.relname, use.indexrelname), sum(use.idx_scan)::bigint, max(use.last_idx_scan),
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
class Use:
    """What an index is good for.

    Args:
        index: the index.
        scans: how often it was read since ``since``, or None where the engine does not tell.
        last_used: when it was read last, or None where that is not known, or never was.
        since: when the engine began to count, or None where it does not tell.
        bytes: its size, or None where it cannot be had without reading it.
        prefix_of: indexes that begin with all its columns.
        declared_by: hot queries that must be served by it.
        serves: hot queries that it serves now: what would lose its plan without it.
        reason: why it stays although another could do its work, or nothing.
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

    @property
    def verdict(self) -> str:
        """Return what to do about it: ``rebuild``, ``keep``, ``known`` (kept for its reason) or ``drop``."""
        if not self.index.valid:
            return "rebuild"
        if self.reason:
            return "known"
        return "drop" if self.can_go else "keep"

    @property
    def can_go(self) -> bool:
        """Tell whether dropping it is safe: nothing read it, and no hot query needs it or is served by it."""
        needed = self.index.primary or self.index.unique or self.declared_by or self.serves
        return not needed and not self.scans


def upkeep(
    examined: Iterable[Examined], using: str = "default", *, reasons: Mapping[str, str] | None = None
) -> tuple[Use, ...]:
    """Return what each index is good for.

    Args:
        examined: every hot query, with the plan that it has now.
        using: the database's alias.
        reasons: why indexes stay that others could replace, by name.
    """
    connection = connections[using]
    every = catalogue.present(connection)
    figures = _figures(connection)
    declared, serves = _by_index(examined)
    return tuple(
        Use(
            index,
            **figures.get(index.name, _UNTOLD),
            prefix_of=tuple(other.name for other in every if index.is_prefix_of(other)),
            declared_by=declared.get(index.name, ()),
            serves=serves.get(index.name, ()),
            reason=(reasons or {}).get(index.name, ""),
        )
        for index in every
    )


def removal(use: Use, using: str = "default") -> str | None:
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
    ((since,),) = catalogue.rows_of(connection, _SINCE_SQL)
    return {
        name: {"scans": scans, "last_used": last_used, "since": since, "bytes": size}
        for name, scans, last_used, size in catalogue.rows_of(connection, _USE_SQL)
    }


def _by_index(examined: Iterable[Examined]) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return the names of the hot queries that declare each index, and of those that each one serves now."""
    declared: dict[str, tuple[str, ...]] = {}
    serves: dict[str, tuple[str, ...]] = {}
    for one in examined:
        declared[one.hot.index] = (*declared.get(one.hot.index, ()), one.query)
        for index in one.plan.indexes if one.plan else ():
            serves[index] = (*serves.get(index, ()), one.query)
    return declared, serves

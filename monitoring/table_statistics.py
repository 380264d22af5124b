"""Tables and their indexes: rows, bytes, use, maintenance and growth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring import engines


@dataclass(frozen=True, kw_only=True)
class IndexFigures:
    """Figures of an index. None means that the engine does not provide the figure.

    Args:
        bytes: size on disk; from the last snapshot if measuring takes too long.
        scans: scans since the statistics were reset.
        last_used: time of the last scan.
        hit_rate: share of its pages that were found in the database's memory.
        valid: False after a failed build.
    """

    table: str
    name: str
    bytes: int | None = None
    scans: int | None = None
    last_used: datetime | None = None
    hit_rate: float | None = None
    valid: bool = True
    unique: bool = False


@dataclass(frozen=True, kw_only=True)
class TableFigures:
    """Figures of a table. None means that the engine does not provide the figure.

    Args:
        exists: whether the database has it.
        row_count: number of rows; an estimate unless ``exact``.
        measured_at: time of the snapshot that the bytes come from; None: measured now.
        estimated_rows: the planner's estimate.
        changed_since_analyze: rows changed since the last ANALYZE.
        sequential_scans: reads of the whole table.
        sequential_rows: rows that these reads returned.
        partitions: number of partitions, 0 for a plain table.
        rows_per_day: rows inserted less rows deleted, since ``growth_since``.
        bytes_per_day: growth of the table with its indexes, since ``growth_since``.
        growth_since: time of the snapshot that the table is compared with.
    """

    name: str
    exists: bool = True
    row_count: int | None = None
    exact: bool = False
    table_bytes: int | None = None
    index_bytes: int | None = None
    measured_at: datetime | None = None
    estimated_rows: int | None = None
    dead_rows: int | None = None
    changed_since_analyze: int | None = None
    sequential_scans: int | None = None
    sequential_rows: int | None = None
    index_scans: int | None = None
    last_vacuum: datetime | None = None
    last_analyze: datetime | None = None
    partitions: int | None = None
    rows_per_day: float | None = None
    bytes_per_day: float | None = None
    growth_since: datetime | None = None
    indexes: tuple[IndexFigures, ...] = ()

    @property
    def total_bytes(self) -> int | None:
        """Return the bytes of the table with its indexes; None if they were not measured."""
        return None if self.table_bytes is None else self.table_bytes + (self.index_bytes or 0)

    def as_json(self) -> dict[str, Any]:
        """Return the table as the endpoint shows it."""
        return {**vars(self), "indexes": {index.name: vars(index) for index in self.indexes}}


def measure(
    connection: BaseDatabaseWrapper,
    names: Sequence[str],
    exact: Mapping[str, int],
    *,
    thorough: bool = False,
) -> tuple[TableFigures, ...]:
    """Return the figures of tables, one entry for each name.

    Args:
        connection: to the database.
        names: the tables.
        exact: exact row counts by table, as far as they are known.
        thorough: also measure what takes too long for a page.
    """
    engine = engines.of(connection)
    rows = {row["name"]: row for row in engine.tables(connection, names, thorough=thorough)}
    indexes = [IndexFigures(**row) for row in engine.table_indexes(connection, names, thorough=thorough)]
    return tuple(
        _figures(rows[name], tuple(index for index in indexes if index.table == name), exact.get(name))
        if name in rows
        else TableFigures(name=name, exists=False)
        for name in names
    )


def _figures(row: dict[str, Any], indexes: tuple[IndexFigures, ...], exact: int | None) -> TableFigures:
    sizes = [index.bytes for index in indexes if index.bytes is not None]
    return TableFigures(
        **row,
        row_count=row["estimated_rows"] if exact is None else exact,
        exact=exact is not None,
        index_bytes=sum(sizes) if len(sizes) == len(indexes) else None,
        indexes=indexes,
    )

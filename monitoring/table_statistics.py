"""Tables and their indexes: rows, bytes, use, maintenance and growth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring import engines
from monitoring.engines import Row
from monitoring.formatting import iso_timestamp


@dataclass(frozen=True, kw_only=True)
class IndexFigures:
    """Figures of an index. None means that the engine does not provide the figure.

    Args:
        name: the index.
        bytes: size on disk; from the last snapshot if measuring takes too long.
        scans: scans since the statistics were reset.
        last_used: time of the last scan.
        hit_rate: share of its pages that were found in the database's memory.
        valid: False after a failed build.
        is_unique: whether it is unique.
    """

    name: str
    bytes: int | None = None
    scans: int | None = None
    last_used: datetime | None = None
    hit_rate: float | None = None
    valid: bool = True
    is_unique: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the index as the endpoint shows it."""
        return {
            "scans": self.scans,
            "bytes": self.bytes,
            "last_used": self.last_used and iso_timestamp(self.last_used),
            "hit_rate": self.hit_rate,
            "valid": self.valid,
            "unique": self.is_unique,
        }


@dataclass(frozen=True)
class Growth:
    """How fast a table grows, from the snapshots of the last days.

    Args:
        rows_a_day: rows inserted less rows deleted.
        bytes_a_day: growth of the table with its indexes; None if the bytes were not measured.
        since: time of the snapshot that the table is compared with.
    """

    rows_a_day: float
    bytes_a_day: float | None
    since: datetime


@dataclass(frozen=True, kw_only=True)
class TableFigures:
    """Figures of a table. None means that the engine does not provide the figure.

    Args:
        name: the table.
        exists: whether the database has it.
        row_count: number of rows; an estimate unless ``exact``.
        exact: whether ``row_count`` is exact.
        measured_at: time of the snapshot that the bytes come from; None: measured now.
        estimated_rows: the planner's estimate.
        changed_since_analyze: rows changed since the last ANALYZE.
        sequential_scans: reads of the whole table.
        sequential_rows: rows that these reads returned.
        partitions: number of partitions, 0 for a plain table; None where the engine has none.
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
    growth: Growth | None = None
    indexes: tuple[IndexFigures, ...] = field(default=())

    @property
    def total_bytes(self) -> int | None:
        """Return the bytes of the table with its indexes; None if they were not measured."""
        if self.table_bytes is None:
            return None
        return self.table_bytes + (self.index_bytes or 0)

    def as_json(self) -> dict[str, Any]:
        """Return the table as the endpoint shows it."""
        growth = self.growth
        return {
            "exists": self.exists,
            "row_count": self.row_count,
            "exact": self.exact,
            "estimated_rows": self.estimated_rows,
            "table_bytes": self.table_bytes,
            "index_bytes": self.index_bytes,
            "measured_at": self.measured_at and iso_timestamp(self.measured_at),
            "rows_per_day": growth and growth.rows_a_day,
            "bytes_per_day": growth and growth.bytes_a_day,
            "growth_since": growth and iso_timestamp(growth.since),
            "dead_rows": self.dead_rows,
            "sequential_scans": self.sequential_scans,
            "index_scans": self.index_scans,
            "last_vacuum": self.last_vacuum and iso_timestamp(self.last_vacuum),
            "last_analyze": self.last_analyze and iso_timestamp(self.last_analyze),
            "partitions": self.partitions,
            "indexes": {index.name: index.as_json() for index in self.indexes},
        }


#: Figures that only some engines provide.
_OPTIONAL: Final = (
    "estimated_rows",
    "dead_rows",
    "changed_since_analyze",
    "sequential_scans",
    "sequential_rows",
    "index_scans",
    "last_vacuum",
    "last_analyze",
    "partitions",
)


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
    rows = {row["name"]: row for row in engine.tables(connection, tuple(names), thorough=thorough)}
    indexes = engine.table_indexes(connection, tuple(names), thorough=thorough)
    return tuple(
        _figures(rows[name], [index for index in indexes if index["table_name"] == name], exact.get(name))
        if name in rows
        else TableFigures(name=name, exists=False)
        for name in names
    )


def _figures(row: Row, indexes: list[Row], exact: int | None) -> TableFigures:
    sizes = [index["bytes"] for index in indexes]
    index_bytes = row.get("index_bytes")
    if index_bytes is None and None not in sizes:
        index_bytes = sum(sizes)
    optional: dict[str, Any] = {name: row.get(name) for name in _OPTIONAL}
    return TableFigures(
        name=row["name"],
        row_count=row.get("estimated_rows") if exact is None else exact,
        exact=exact is not None,
        table_bytes=row["table_bytes"],
        index_bytes=index_bytes,
        indexes=tuple(_index(index) for index in indexes),
        **optional,
    )


def _index(row: Row) -> IndexFigures:
    read = (row.get("pages_hit") or 0) + (row.get("pages_read") or 0)
    return IndexFigures(
        name=row["name"],
        bytes=row["bytes"],
        scans=row.get("scans"),
        last_used=row.get("last_used"),
        hit_rate=round(row["pages_hit"] / read, 4) if read else None,
        valid=row["valid"],
        is_unique=row["is_unique"],
    )

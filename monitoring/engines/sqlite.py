"""Statistics of SQLite, which counts no use and has no sessions and no replicas."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from statistics import median_high
from typing import Any, Final

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from monitoring.engines.query import fetch

#: Bytes of the file up to which sizes are measured on every call. Measuring reads every page, a gigabyte a
#: second, so larger files are measured by the snapshots only.
MAX_BYTES_MEASURED: Final = 128 * 1024 * 1024

_BYTES: Final = "SELECT name, pgsize AS bytes FROM dbstat('main', 1) WHERE name IN ({})"
_INDEXES: Final = """
    SELECT tables.name AS "table", listed.name AS name, listed."unique"
    FROM sqlite_schema AS tables, pragma_index_list(tables.name) AS listed
    WHERE tables.type = 'table' AND tables.name IN ({})
    ORDER BY 1, 2
"""
_STATISTICS: Final = "SELECT tbl AS name, stat FROM sqlite_stat1 WHERE tbl IN ({})"
_HAS_STATISTICS: Final = "SELECT 1 AS found FROM sqlite_schema WHERE name = 'sqlite_stat1'"
_EXISTING: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ({})"


def tables(
    connection: BaseDatabaseWrapper, names: Sequence[str], *, thorough: bool = False
) -> list[dict[str, Any]]:
    """Return the size of tables, of a large file only if ``thorough``, and their rows at the last ANALYZE."""
    existing = [row["name"] for row in _named(connection, _EXISTING, names)]
    estimates, sizes = estimated_rows(connection, existing), _sizes(connection, existing, thorough=thorough)
    return [
        {"name": name, "table_bytes": sizes.get(name), "estimated_rows": estimates.get(name)}
        for name in existing
    ]


def table_indexes(
    connection: BaseDatabaseWrapper, names: Sequence[str], *, thorough: bool = False
) -> list[dict[str, Any]]:
    """Return the tables' indexes and their size."""
    found = _named(connection, _INDEXES, names)
    sizes = _sizes(connection, [index["name"] for index in found], thorough=thorough)
    return [{**index, "unique": bool(index["unique"]), "bytes": sizes.get(index["name"])} for index in found]


def estimated_rows(connection: BaseDatabaseWrapper, names: Sequence[str]) -> dict[str, int]:
    """Return the rows of tables at the last ANALYZE."""
    if not fetch(connection, _HAS_STATISTICS):
        return {}
    rows = [row for row in _named(connection, _STATISTICS, names) if row["stat"]]
    # Each index has its own estimate, which is lower for a partial index.
    return {
        name: median_high(int(row["stat"].split()[0]) for row in rows if row["name"] == name)
        for name in {row["name"] for row in rows}
    }


def partitions(_: BaseDatabaseWrapper, __: str) -> list[str]:
    """Return nothing: SQLite has no partitions."""
    return []


def server(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return figures of the whole file."""
    figures = {
        pragma: fetch(connection, f"PRAGMA {pragma}")[0][pragma]
        for pragma in ("page_size", "page_count", "freelist_count", "journal_mode")
    }
    log = Path(f"{connection.settings_dict['NAME']}-wal")
    return {
        "server": f"SQLite {sqlite3.sqlite_version}",
        "bytes": figures["page_size"] * figures["page_count"],
        "free_bytes": figures["page_size"] * figures["freelist_count"],
        "wal_bytes": log.stat().st_size if log.exists() else 0,
        "journal_mode": figures["journal_mode"],
    }


def sessions(_: BaseDatabaseWrapper) -> list[dict[str, Any]]:
    """Return nothing: SQLite does not know which processes have the file open."""
    return []


def connections(_: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return nothing, for the same reason."""
    return {}


def statements(_: BaseDatabaseWrapper) -> list[dict[str, Any]]:
    """Return nothing: SQLite does not count statements."""
    return []


def replication(_: BaseDatabaseWrapper) -> None:
    """Return None: SQLite has no replicas."""


def directory(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """Return the directory of the file."""
    return {"directory": Path(connection.settings_dict["NAME"]).parent, "reason": None}


def _named(connection: BaseDatabaseWrapper, sql: str, names: Sequence[str]) -> list[dict[str, Any]]:
    return fetch(connection, sql.format(", ".join(["%s"] * len(names))), names) if names else []


def _sizes(connection: BaseDatabaseWrapper, names: Sequence[str], *, thorough: bool) -> dict[str, int]:
    """Return the bytes of tables or indexes; nothing for a large file, or without ``dbstat``."""
    if not thorough and Path(connection.settings_dict["NAME"]).stat().st_size > MAX_BYTES_MEASURED:
        return {}
    try:
        return {row["name"]: row["bytes"] for row in _named(connection, _BYTES, names)}
    except OperationalError:
        return {}

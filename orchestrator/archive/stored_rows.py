"""Reads, deletes and inserts the rows of ``jobs`` and ``events`` for the archive."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from django.db import DEFAULT_DB_ALIAS, connections

from orchestrator.archive.row_sql import (
    IS_ONE_OF,
    Row,
    columns,
    for_sqlite,
    from_sqlite,
    id_list,
    insert_sql,
    select_list,
    timestamp,
    vendor,
)
from orchestrator.choices import ENDED_STATUSES
from orchestrator.exceptions import ArchiveError

#: The timestamp and the id of a row: pages are in this order. On SQLite the timestamp is the text that is
#: stored: hand-written SQL may have stored another text of the same time, and the index compares texts.
Position: TypeAlias = tuple[datetime | str, str]

#: The timestamp from which the age of a row is counted.
AGE_COLUMNS: Final = {"events": "created_at", "jobs": "completed_at"}

#: Rows of one query.
PAGE_ROWS: Final = 5_000

_ENDED: Final = ", ".join(f"'{status}'" for status in ENDED_STATUSES)
_UNFINISHED_JOBS: Final = f"SELECT id FROM jobs WHERE status NOT IN ({_ENDED}) AND id"  # noqa: S608 - constants


@dataclass(frozen=True)
class Source:
    """Rows that may be archived.

    Args:
        table: ``events`` or ``jobs``.
        before: only rows from before this time; None for all.
        partition: a partition that was detached from the table, to read instead of it; "" for none.
    """

    table: str
    before: datetime | None
    partition: str = ""

    def position_of(self, row: Row) -> Position:
        """Return the position of a row."""
        return row[list(columns(self.table)).index(AGE_COLUMNS[self.table])], row[0]


def pages(source: Source, after: Position | None, size: int) -> Iterator[tuple[list[Row], Position]]:
    """Yield the rows of a source, oldest first, and the position of the last row that was read.

    Args:
        source: the rows.
        after: only rows after this position.
        size: rows to read for a page. A page may have fewer: events of jobs that are not final stay.
    """
    while found := _page(source, after, size):
        rows = [tuple(row) for *row, _ in found]
        after = found[-1][-1], rows[-1][0]
        stay = source.table == "events" and not source.partition
        yield _without_unfinished_jobs(rows) if stay else rows, after


def events_of(jobs: Sequence[Row]) -> list[Row]:
    """Return the events of some jobs."""
    return _select("events", "events", f"job_id {IS_ONE_OF[vendor()]}", [id_list(row[0] for row in jobs)])


def lock(table: str, ids: Iterable[str]) -> dict[str, Row]:
    """Lock rows until the end of the open transaction; return those that exist, by id."""
    order = " ORDER BY id FOR UPDATE" if vendor() == "postgresql" else ""
    rows = _select(table, table, f"id {IS_ONE_OF[vendor()]}{order}", [id_list(ids)])
    return {row[0]: row for row in rows}


def delete(table: str, ids: Sequence[str]) -> None:
    """Delete rows in the open transaction."""
    if ids:
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(f"DELETE FROM {table} WHERE id {IS_ONE_OF[vendor()]}", [id_list(ids)])  # noqa: S608 - our own names


def insert(table: str, names: Sequence[str], rows: Sequence[Row]) -> int:
    """Insert rows in the open transaction, except those whose id exists; return how many were inserted.

    Args:
        table: ``events`` or ``jobs``.
        names: the columns of the rows. Other columns get their default.
        rows: the rows.

    Raises:
        ArchiveError: if the table does not have one of the columns.
    """
    if unknown := [name for name in names if name not in columns(table)]:
        raise ArchiveError(f"The file has a column {unknown[0]}, which the table {table} does not have.")
    engine = vendor()
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        statement = insert_sql(table, tuple(names), engine)
        if engine == "postgresql":
            cursor.execute(statement, [list(values) for values in zip(*rows, strict=True)])
        else:
            cursor.executemany(statement, [for_sqlite(row) for row in rows])
        return int(cursor.rowcount)


def due(
    table: str, before: datetime, limit: int | None = None
) -> tuple[int, datetime | None, datetime | None]:
    """Return how many rows may be archived, ``limit`` at most, and their oldest and newest timestamps."""
    age = AGE_COLUMNS[table]
    condition = f"status IN ({_ENDED})" if table == "jobs" else f"NOT EXISTS ({_UNFINISHED_JOBS} = job_id)"
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        rows = f"SELECT {age} AS age FROM {table} WHERE {age} < %s AND {condition}"  # noqa: S608 - our own names
        if limit is not None:
            rows += f" ORDER BY {age} LIMIT {limit}"
        cursor.execute(f"SELECT count(*), min(age), max(age) FROM ({rows}) AS old", [timestamp(before)])  # noqa: S608
        number, first, last = cursor.fetchone()
    return number, _parsed(first), _parsed(last)


def _parsed(value: Any) -> datetime | None:
    """Return a timestamp that the database computed; SQLite returns a text."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value


def _page(source: Source, after: Position | None, size: int) -> list[Row]:
    """Return rows, each with the timestamp of its position as a further value."""
    age = AGE_COLUMNS[source.table]
    conditions, parameters = ["1 = 1" if source.table == "events" else f"status IN ({_ENDED})"], []
    if source.before:
        conditions.append(f"{age} < %s")
        parameters.append(timestamp(source.before))
    if after:
        at = timestamp(after[0]) if isinstance(after[0], datetime) else after[0]
        conditions.append(f"{age} >= %s AND ({age} > %s OR id > %s)")
        parameters += [at, at, after[1]]
    where = f"{' AND '.join(conditions)} ORDER BY {age}, id LIMIT {size}"
    stored = f", {age} || ''" if vendor() == "sqlite" else f", {age}"
    return _select(source.table, source.partition or source.table, where, parameters, stored)


def _without_unfinished_jobs(events: list[Row]) -> list[Row]:
    """Return the events of no job, of a final one, or of one that was deleted."""
    column = list(columns("events")).index("job_id")
    jobs = {row[column] for row in events} - {None}
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(f"{_UNFINISHED_JOBS} {IS_ONE_OF[vendor()]}", [id_list(jobs)])
        unfinished = {getattr(found, "hex", found) for (found,) in cursor.fetchall()}
    return [row for row in events if row[column] not in unfinished]


def _select(table: str, source: str, where: str, parameters: list[Any], more: str = "") -> list[Row]:
    engine = vendor()
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(f"SELECT {select_list(table, engine)}{more} FROM {source} WHERE {where}", parameters)  # noqa: S608 - our own names
        rows = cursor.fetchall()
    if engine == "postgresql":
        return list(rows)
    return [tuple(from_sqlite(value) for value in row) for row in rows]

"""Writes, reads and verifies the archive's Parquet files.

A file has one row for each row of the table, with the columns' names and types, compressed with zstd. Its
metadata name the table, the number of rows and their checksum: SHA-256 over the rows as lines of JSON.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from django.db import models

from orchestrator.archive.disk_files import Contents, flush_file, flush_folder, part_of
from orchestrator.archive.row_sql import Row, columns
from orchestrator.archive.stored_rows import AGE_COLUMNS
from orchestrator.exceptions import ArchiveError

#: Rows that are read, compared and deleted together.
CHUNK_ROWS: Final = 1_000
_ROW_GROUP_ROWS: Final = 10_000

_KEY: Final = b"kyros.archive"
_UUID: Final = pa.uuid()
_TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
_NAIVE: Final = pa.timestamp("us")
_TYPES: Final[tuple[tuple[type[Any], pa.DataType], ...]] = (
    (models.UUIDField, _UUID),
    (models.DateTimeField, _TIMESTAMP),
    (models.BooleanField, pa.bool_()),
    (models.IntegerField, pa.int64()),
)


class _Summary:
    """Computes the contents of a file from its rows."""

    def __init__(self, table: str, names: Iterable[str]) -> None:
        self._table = table
        self._age = list(names).index(AGE_COLUMNS[table])
        self._digest = hashlib.sha256()
        self._rows = 0
        self._first: datetime | None = None
        self._last: datetime | None = None

    def add(self, rows: Sequence[Row]) -> None:
        self._digest.update(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
        self._rows += len(rows)
        ages = [row[self._age] for row in rows]
        self._first = min([*ages, self._first] if self._first else ages)
        self._last = max([*ages, self._last] if self._last else ages)

    def contents(self) -> Contents:
        return Contents(self._table, self._rows, self._digest.hexdigest(), self._first, self._last)


class ParquetWriter:
    """Writes a file under a temporary name; ``close`` gives it its own name once it is on the disk.

    Used as a context manager it removes the temporary file if it was not closed.
    """

    def __init__(self, table: str, path: Path) -> None:
        self._table, self._path, self._part = table, path, part_of(path)
        self._summary = _Summary(table, columns(table))
        self._waiting: list[Row] = []
        self._writer = pq.ParquetWriter(
            self._part, _schema(table), compression="zstd", write_page_checksum=True
        )

    @property
    def rows(self) -> int:
        """Return how many rows were added."""
        return self._summary.contents().rows

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows to the file."""
        if not rows:
            return
        self._summary.add(rows)
        self._waiting += rows
        if len(self._waiting) >= _ROW_GROUP_ROWS:
            self._write_group()

    def close(self) -> Contents:
        """Write what is left, flush the file to the disk and give it its name; return its contents."""
        if self._waiting:
            self._write_group()
        contents = self._summary.contents()
        figures = {"table": contents.table, "rows": contents.rows, "sha256_of_rows": contents.rows_checksum}
        self._writer.add_key_value_metadata({_KEY: orjson.dumps(figures)})
        self._writer.close()
        flush_file(self._part)
        self._part.rename(self._path)
        flush_folder(self._path.parent)
        return contents

    def _write_group(self) -> None:
        self._writer.write_table(_to_arrow(self._table, self._waiting))
        self._waiting = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind:
            with suppress(OSError, pa.ArrowException):  # the disk may be full
                self._writer.close()
            self._part.unlink(missing_ok=True)


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises for a file that is missing or damaged into an ``ArchiveError``."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArchiveError(f"The file {path} is missing.") from error
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"The file {path} is damaged: {str(error).splitlines()[0]}.") from error


def rows_of(path: Path, size: int | None = None) -> Iterator[list[Row]]:
    """Yield the rows of a file, so many at a time; ``CHUNK_ROWS`` if it is None.

    Raises:
        ArchiveError: if the file is missing or damaged.
    """
    with _errors_named(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=size or CHUNK_ROWS):
            yield list(zip(*map(_values, batch.columns), strict=True))


def names_of(path: Path) -> list[str]:
    """Return the names of a file's columns."""
    with _errors_named(path), pq.ParquetFile(path) as file:
        return [str(name) for name in file.schema_arrow.names]


def verified_contents(path: Path, progress: Callable[[int], object] = bool) -> Contents:
    """Read a file and compare its rows with its metadata.

    Args:
        path: the file.
        progress: called with the number of rows of each chunk.

    Raises:
        ArchiveError: if the file is missing, damaged or not one of the archive's.
    """
    with _errors_named(path), pq.ParquetFile(path) as file:
        if _KEY not in (file.metadata.metadata or {}):
            raise ArchiveError(f"The file {path} was not written by the archive: it has no metadata.")
        stated = orjson.loads(file.metadata.metadata[_KEY])
        names = file.schema_arrow.names
        summary = _Summary(stated["table"], names)
    if foreign := set(names) - columns(stated["table"]).keys():
        other = f"it has columns that {stated['table']} has not: {', '.join(sorted(foreign))}"
        raise ArchiveError(f"The file {path} was not written by the archive: {other}.")
    for rows in rows_of(path):
        summary.add(rows)
        progress(len(rows))
    contents = summary.contents()
    if contents.rows != stated["rows"]:
        raise ArchiveError(f"The file {path} has {contents.rows:,} rows instead of {stated['rows']:,}.")
    if contents.rows_checksum != stated["sha256_of_rows"]:
        raise ArchiveError(f"The file {path} is damaged: its rows do not have the checksum of its metadata.")
    return contents


@cache
def _schema(table: str) -> pa.Schema:
    return pa.schema(
        pa.field(name, _type(field), nullable=field.null) for name, field in columns(table).items()
    )


def _type(field: "models.Field[Any, Any]") -> pa.DataType:
    return next((arrow for kind, arrow in _TYPES if isinstance(field, kind)), pa.string())


def _to_arrow(table: str, rows: Sequence[Row]) -> pa.Table:
    schema = _schema(table)
    arrays = map(_array, zip(*rows, strict=True), schema.types)
    return pa.Table.from_arrays(list(arrays), schema=schema)


def _array(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
    if kind == _UUID:
        raw = pa.array([value and bytes.fromhex(value) for value in values], pa.binary(16))
        return pa.ExtensionArray.from_storage(_UUID, raw)
    return pa.array(values, kind)


def _values(column: pa.Array) -> list[Any]:
    """Return the values of a column as a row has them."""
    if column.type == _UUID:
        return [value and value.hex() for value in column.storage.to_pylist()]
    if column.type == _TIMESTAMP:
        # pyarrow looks the time zone up for each value.
        return [value and value.replace(tzinfo=UTC) for value in column.cast(_NAIVE).to_pylist()]
    values: list[Any] = column.to_pylist()
    return values

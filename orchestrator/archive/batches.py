"""One batch of the archive: its rows are written to files, verified, and then deleted from their tables.

A batch of events is one file. A batch of jobs is two: the jobs, and the events of these jobs. A process that
is killed leaves the batch in one of these states, from which ``finish`` goes on:

    writing     nothing was deleted: the files are discarded, and another batch takes the same rows
    deleting    the files are on the disk and verified: the rows that are still in the table are deleted
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from orchestrator.archive import manifest, stored_rows
from orchestrator.archive.disk_files import Contents, part_of
from orchestrator.archive.manifest import path_of
from orchestrator.archive.parquet_files import (
    CHUNK_ROWS,
    ParquetWriter,
    rows_of,
    verified_contents,
)
from orchestrator.archive.row_sql import Row, columns
from orchestrator.archive.stored_rows import Position, Source
from orchestrator.choices import ArchiveState
from orchestrator.exceptions import ArchiveError
from orchestrator.models import ArchiveFile

#: Rows of a file, about: the last page of a batch is written whole.
BATCH_ROWS: Final = 50_000
#: Jobs that are read together with their events.
_JOBS_PAGE: Final = 500

Files = Mapping[str, ArchiveFile]


def archive_next(
    source: Source, after: Position | None, progress: Callable[[int], object]
) -> tuple[Sequence[ArchiveFile], Position | None]:
    """Archive the next rows of a source. Those of a detached partition are not deleted: it is dropped.

    Args:
        source: the rows.
        after: where the last batch ended; None for the first.
        progress: called with the number of rows that have left their table.

    Returns:
        The files, and where the next batch begins; None if there are no more rows.
    """
    files = manifest.begin(("jobs", "events") if source.table == "jobs" else ("events",), source.partition)
    try:
        position = _write(source, files, after)
    except OSError as error:
        manifest.discard(list(files.values()))
        raise ArchiveError(f"Cannot write to {settings.ARCHIVE_DIR}: {error.strerror or error}.") from error
    manifest.discard([file for file in files.values() if not file.rows])
    batch = [file for file in files.values() if file.rows]
    if source.partition:
        manifest.move(batch, ArchiveState.ARCHIVED)
        progress(sum(file.rows for file in batch))
    else:
        manifest.move(batch, ArchiveState.DELETING)
        _delete(batch, progress)
    return batch, position


def finish(batch: Sequence[ArchiveFile], progress: Callable[[int], object] = bool) -> None:
    """Finish a batch that a killed process has left; see the states above."""
    if batch[0].state in manifest.DISCARDABLE:
        manifest.discard(batch)
        return
    for file in batch:
        part_of(path_of(file)).unlink(missing_ok=True)
        manifest.record(file, verified_contents(path_of(file)))
    _delete(batch, progress)


# --- Writing ------------------------------------------------------------------------------------------------


def _write(source: Source, files: Files, after: Position | None) -> Position | None:
    """Write and verify the files of a batch; return the position of the last row, None for the last batch."""
    with ExitStack() as stack:
        writers = {table: stack.enter_context(ParquetWriter(table, path_of(files[table]))) for table in files}
        position = _fill(source, writers, after)
        written = {table: writer.close() for table, writer in writers.items()}
    for table, contents in written.items():
        _read_back(files[table], contents)
    return position


def _fill(source: Source, writers: Mapping[str, ParquetWriter], after: Position | None) -> Position | None:
    jobs = source.table == "jobs"
    for rows, position in stored_rows.pages(source, after, _JOBS_PAGE if jobs else stored_rows.PAGE_ROWS):
        writers[source.table].add(rows)
        if jobs:
            writers["events"].add(stored_rows.events_of(rows))
        if max(writer.rows for writer in writers.values()) >= BATCH_ROWS:
            return position
    return None


def _read_back(file: ArchiveFile, written: Contents) -> None:
    """Read a file, compare it with what the database had, and record it."""
    path = path_of(file)
    found = verified_contents(path)
    if found != written:
        raise ArchiveError(f"The file {path} does not have the rows that were written to it.")
    manifest.record(file, found)


def _write_again(file: ArchiveFile, stayed: set[str]) -> None:
    """Replace a file by one without the rows that have changed since, and stay in their table."""
    path = path_of(file)
    with ParquetWriter(file.table, path) as writer:
        for rows in rows_of(path):
            writer.add([row for row in rows if row[0] not in stayed])
        written = writer.close()
    _read_back(file, written)


# --- Deleting -----------------------------------------------------------------------------------------------


def _delete(batch: Sequence[ArchiveFile], progress: Callable[[int], object]) -> None:
    """Delete the rows of verified files that are still in their tables."""
    files = {file.table: file for file in batch}
    if "jobs" in files:
        stayed = _delete_jobs(files, progress)
    else:
        stayed = {name: _delete_events(file, progress) for name, file in files.items()}
    for file in batch:
        if stayed[file.table]:
            _write_again(file, stayed[file.table])
    manifest.move(batch, ArchiveState.ARCHIVED)


def _delete_events(file: ArchiveFile, progress: Callable[[int], object]) -> set[str]:
    """Delete the events of a file; return the ids of those that have changed, and stay."""
    stayed: set[str] = set()
    for rows in rows_of(path_of(file)):
        with transaction.atomic():
            stayed |= _delete_unchanged("events", rows)
        progress(len(rows))
    return stayed


def _delete_jobs(files: Files, progress: Callable[[int], object]) -> dict[str, set[str]]:
    """Delete the jobs of a file, each with its events; return the ids of the rows that stay, by table."""
    events = _events_by_job(files["events"]) if "events" in files else {}
    stayed: dict[str, set[str]] = {"jobs": set(), "events": set()}
    for jobs in _small_chunks(files["jobs"], events):
        with transaction.atomic():
            changed = _delete_unchanged("jobs", jobs)
            stayed["jobs"] |= changed
            stayed["events"] |= {event[0] for job in changed for event in events.get(job, ())}
            gone = [event for job in jobs if job[0] not in changed for event in events.get(job[0], ())]
            stayed["events"] |= _delete_unchanged("events", gone)
        progress(len(jobs) + len(gone))
    return stayed


def _delete_unchanged(table: str, rows: Sequence[Row]) -> set[str]:
    """Delete the rows that are still as they were archived; return the ids of those that have changed."""
    current = stored_rows.lock(table, [row[0] for row in rows])
    unchanged = [row[0] for row in rows if current.get(row[0]) == row]
    stored_rows.delete(table, unchanged)
    return current.keys() - unchanged


def _events_by_job(file: ArchiveFile) -> dict[str, list[Row]]:
    column = list(columns("events")).index("job_id")
    events: dict[str, list[Row]] = defaultdict(list)
    for rows in rows_of(path_of(file)):
        for row in rows:
            events[row[column]].append(row)
    return events


def _small_chunks(file: ArchiveFile, events: Mapping[str, Sequence[Any]]) -> Iterator[list[Row]]:
    """Yield jobs, so many that few rows are deleted in one transaction."""
    chunk: list[Row] = []
    size = 0
    for job in _each(rows_of(path_of(file))):
        chunk.append(job)
        size += 1 + len(events.get(job[0], ()))
        if size >= CHUNK_ROWS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _each(chunks: Iterable[Sequence[Row]]) -> Iterator[Row]:
    for chunk in chunks:
        yield from chunk

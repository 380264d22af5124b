"""Runs of the archive: one at a time, each of which first finishes what the last one has left.

Functions import what loads pyarrow: it takes 60 MB, and web workers and most commands do not need it.
"""

import fcntl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings

from monitoring.task_runs import MayGoOn, forever
from orchestrator import partitions
from orchestrator.archive import manifest, stored_rows
from orchestrator.archive.manifest import Restored, path_of
from orchestrator.archive.row_sql import TABLES
from orchestrator.archive.stored_rows import Position, Source
from orchestrator.choices import ArchiveState
from orchestrator.db.clock import database_now
from orchestrator.exceptions import ArchiveBusy, ArchiveError
from orchestrator.models import ArchiveFile

#: The settings with the age in days from which the rows of a table may be archived.
RETENTION_SETTINGS: Final = {"events": "EVENT_RETENTION_DAYS", "jobs": "JOB_RETENTION_DAYS"}


@dataclass(frozen=True)
class DueRows:
    """The rows of a table that a run would archive, without the events of jobs.

    Args:
        table: ``events`` or ``jobs``.
        before: rows from before this time are due.
        rows: their number.
        first_at: the oldest timestamp; None if there are no rows.
        last_at: the newest.
    """

    table: str
    before: datetime
    rows: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True)
class ArchiveRun:
    """What a run did.

    Args:
        table: ``events`` or ``jobs``.
        before: rows from before this time were archived.
        resumed: the files that an earlier run had left unfinished, and this one finished.
        files: the files that the run wrote.
        complete: whether no row is left to archive; False if the run ended because its time was over.
        seconds: how long it took.
    """

    table: str
    before: datetime
    resumed: Sequence[str]
    files: Sequence[ArchiveFile]
    complete: bool
    seconds: float

    @property
    def rows(self) -> dict[str, int]:
        """Return how many rows the new files have, by table."""
        return {
            table: sum(file.rows for file in self.files if file.table == table)
            for table in dict.fromkeys(file.table for file in self.files)
        }


@dataclass(frozen=True)
class ArchiveTotals:
    """How many rows a run over all tables has archived."""

    events: int = 0
    jobs: int = 0


def retention_days(table: str) -> int:
    """Return the age in days from which the rows of a table may be archived."""
    return int(getattr(settings, RETENTION_SETTINGS[table]))


def cutoff(table: str, days: int = 0) -> datetime:
    """Return the time before which rows may be archived.

    Args:
        table: ``events`` or ``jobs``.
        days: their minimum age; the table's retention, where that is longer.
    """
    return database_now() - timedelta(days=max(days, retention_days(table)))


def due(table: str, before: datetime, limit: int | None = None) -> DueRows:
    """Count the rows that a run would archive, ``limit`` at most. The time grows with their number."""
    return DueRows(table, before, *stored_rows.due(table, before, limit))


def run(
    table: str,
    before: datetime,
    *,
    may_go_on: MayGoOn = forever,
    progress: Callable[[int], object] = bool,
) -> ArchiveRun:
    """Archive the rows of a table from before some time, and the detached partitions of events.

    Args:
        table: ``events`` or ``jobs``.
        before: see ``cutoff``.
        may_go_on: returns whether another batch may begin.
        progress: called with the number of rows that have left their table.

    Raises:
        ArchiveBusy: if another process archives or restores.
        ArchiveError: if a file cannot be written, or is missing or damaged.
    """
    from orchestrator.archive import batches  # noqa: PLC0415

    files: list[ArchiveFile] = []
    began, complete = time.monotonic(), True
    with exclusive():
        resumed = _finish_open(progress)
        for source in _sources(table, before):
            position, more = _end_of_last(source), True
            while more and may_go_on():
                batch, position = batches.archive_next(source, position, progress)
                files += batch
                more = position is not None
            complete = complete and not more
    return ArchiveRun(table, before, resumed, files, complete, time.monotonic() - began)


def _sources(table: str, before: datetime) -> list[Source]:
    detached = partitions.detached() if table == "events" else ()
    return [Source(table, before), *(Source(table, None, name) for name in detached)]


def _end_of_last(source: Source) -> Position | None:
    """Return where the archive of a detached partition goes on: its rows stay until it is dropped."""
    from orchestrator.archive.parquet_files import rows_of  # noqa: PLC0415

    archived = _files_of(source.partition)
    if not archived:
        return None
    *_, last_rows = rows_of(path_of(archived[-1]))
    return source.position_of(last_rows[-1])


def _files_of(partition: str) -> list[ArchiveFile]:
    """Return the verified files with rows of a detached partition, in order of the rows."""
    whole = ArchiveFile.objects.filter(state__in=(ArchiveState.ARCHIVED, ArchiveState.RESTORED))
    return list(whole.filter(source=partition).order_by("last_at", "created_at"))


def archived_rows(partition: str, *, read_files: bool) -> int:
    """Return how many rows of a detached partition are in whole files.

    Args:
        partition: its name.
        read_files: read the files and compare their checksums, which takes seconds for a large partition;
            otherwise compare only their sizes.
    """
    problem = manifest.problem_of if read_files else manifest.size_problem_of
    return sum(file.rows for file in _files_of(partition) if not problem(file))


def run_due(may_go_on: MayGoOn = forever) -> ArchiveTotals:
    """Archive the rows of all tables whose retention has passed.

    Args:
        may_go_on: returns whether another batch may begin. The next call goes on.

    Raises:
        ArchiveBusy: if another process archives or restores.
        ArchiveError: as ``run``.
    """
    totals: Counter[str] = Counter()
    for table in TABLES:
        totals.update(run(table, _due_before(table), may_go_on=may_go_on).rows)
    return ArchiveTotals(**totals)


def _due_before(table: str) -> datetime:
    """Return before which rows leave one by one: newer events leave with their whole partition."""
    boundary = partitions.first_boundary() if table == "events" else None
    return min(cutoff(table), boundary) if boundary else cutoff(table)


def restore(name: str, progress: Callable[[int], object] = bool) -> Restored:
    """Put the rows of a file back into their table. A row whose id the table has stays as it is.

    Args:
        name: the name of the file, or its path.
        progress: called with the number of rows that were read.

    Raises:
        ArchiveBusy: if another process archives or restores.
        ArchiveError: if the file is missing or damaged, or its rows are in their table.
    """
    from orchestrator.archive import restoring  # noqa: PLC0415

    with exclusive():
        if restoring.find(name).state != ArchiveState.RESTORING:
            _finish_open(progress)
            restoring.begin(restoring.find(name))
        return restoring.finish(restoring.find(name), progress)


def _finish_open(progress: Callable[[int], object]) -> list[str]:
    """Finish what a killed process has left; return the names of the files that are archived now."""
    from orchestrator.archive import batches, restoring  # noqa: PLC0415

    finished: list[str] = []
    for batch in manifest.open_batches():
        if batch[0].state == ArchiveState.RESTORING:
            restoring.finish(batch[0])
        else:
            batches.finish(batch, progress)
        finished += [file.name for file in batch if file.state == ArchiveState.ARCHIVED]
    return finished


def verify(progress: Callable[[int], object] = bool) -> dict[str, str]:
    """Compare each finished file with the manifest; return what is wrong, by the name of the file.

    Args:
        progress: called with 1 after each file.

    Raises:
        ArchiveError: if ARCHIVE_DIR cannot be read.
    """
    problems: dict[str, str] = {}
    for file in manifest.finished_files():
        if problem := manifest.problem_of(file):
            problems[file.name] = problem
        else:
            file.verified_at = database_now()
            file.save(update_fields=["verified_at"])
        progress(1)
    folder = settings.ARCHIVE_DIR
    with _errors_named(folder):
        known = {file.name for file in manifest.files()}
        unknown = {path.name for path in folder.glob("*.parquet")} - known
    return problems | {name: f"The file {folder / name} is not in the manifest." for name in unknown}


@contextmanager
def exclusive() -> Iterator[None]:
    """Let no other process archive or restore meanwhile. The lock ends with the process.

    Raises:
        ArchiveBusy: if another process does.
        ArchiveError: if ARCHIVE_DIR cannot be used.
    """
    folder = settings.ARCHIVE_DIR
    with _errors_named(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / ".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ArchiveBusy(f"Another process archives or restores in {folder}.") from error
            yield


@contextmanager
def _errors_named(folder: Path) -> Iterator[None]:
    """Turn an error of the file system into an ``ArchiveError``."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise ArchiveError(f"ARCHIVE_DIR {folder} cannot be used: {where}: {error.strerror}.") from error

"""The manifest: which files the archive has, and what state they are in.

A change of state names the state that it expects. So of two runs that work on the same file, for example
on two machines, one stops.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Min, Sum

from orchestrator.archive.disk_files import Contents, checksum, part_of, size
from orchestrator.choices import OPEN_ARCHIVE_STATES, ArchiveState
from orchestrator.db.clock import database_now
from orchestrator.db.ids import new_id
from orchestrator.exceptions import ArchiveBusy, ArchiveError
from orchestrator.models import ArchiveFile

if TYPE_CHECKING:
    from uuid import UUID

#: The folder in ARCHIVE_DIR of files whose rows are in their table again.
RESTORED_FOLDER: Final = "restored"

#: States of files whose rows are all in their table.
DISCARDABLE: Final = (ArchiveState.WRITING, ArchiveState.DISCARDED)


@dataclass(frozen=True)
class Restored:
    """What was restored.

    Args:
        file: the name of the file.
        table: the table that has its rows now.
        rows: how many rows the file has.
        inserted: how many of them were not in the table.
    """

    file: str
    table: str
    rows: int
    inserted: int


def path_of(file: ArchiveFile) -> Path:
    """Return the path of a file; that of a restored one is in a folder of its own."""
    restored = settings.ARCHIVE_DIR / RESTORED_FOLDER / file.name
    moved = file.state == ArchiveState.RESTORING and restored.exists()
    return restored if moved or file.state == ArchiveState.RESTORED else settings.ARCHIVE_DIR / file.name


def files() -> Sequence[ArchiveFile]:
    """Return the entries of all files, oldest first."""
    return list(ArchiveFile.objects.order_by("created_at", "table", "name"))


def finished_files() -> Sequence[ArchiveFile]:
    """Return the entries of the files that were verified once, the oldest first."""
    return [file for file in files() if file.state not in DISCARDABLE]


def newest_files(number: int) -> Sequence[ArchiveFile]:
    """Return the entries of the newest files, the newest first."""
    return list(ArchiveFile.objects.order_by("-created_at", "table", "name")[:number])


def totals() -> Sequence[dict[str, Any]]:
    """Return files, rows, bytes and range of the archived rows of each table."""
    archived = ArchiveFile.objects.filter(state=ArchiveState.ARCHIVED).values("table").order_by("table")
    figures: Iterable[Any] = archived.annotate(
        files=Count("name"),
        all_rows=Sum("rows"),
        all_bytes=Sum("bytes"),
        oldest=Min("first_at"),
        newest=Max("last_at"),
        verified=Min("verified_at"),
    )
    return [dict(each) for each in figures]


def open_batches() -> list[list[ArchiveFile]]:
    """Return the files that a run has left unfinished, by batch."""
    batches: dict[UUID, list[ArchiveFile]] = {}
    for file in ArchiveFile.objects.filter(state__in=OPEN_ARCHIVE_STATES).order_by("table"):
        batches.setdefault(file.batch, []).append(file)
    return list(batches.values())


def begin(tables: Iterable[str], source: str = "") -> dict[str, ArchiveFile]:
    """Enter the files of a new batch; return them by table.

    Args:
        tables: the tables of the files.
        source: the detached partition that the rows are read from; the tables themselves if it is "".

    Raises:
        ArchiveBusy: if another run has an open batch of one of the tables.
    """
    now, batch = database_now(), new_id()
    made = {
        table: ArchiveFile(
            name=f"{table}-{now:%Y%m%dT%H%M%S}-{batch.hex[-12:]}.parquet",
            batch=batch,
            table=table,
            source=source or table,
            state=ArchiveState.WRITING,
        )
        for table in tables
    }
    _insert(made.values())
    return made


def adopt(path: Path, contents: Contents) -> ArchiveFile:
    """Enter a file that the manifest does not know."""
    table = contents.table
    file = ArchiveFile(name=path.name, batch=new_id(), table=table, source=table, state=ArchiveState.ARCHIVED)
    _insert([file])
    record(file, contents)
    return file


def _insert(new: Iterable[ArchiveFile]) -> None:
    try:
        with transaction.atomic():
            for file in new:
                file.save(force_insert=True)
    except IntegrityError as error:
        raise ArchiveBusy("Another run archives or restores rows of this table.") from error


def move(batch: Iterable[ArchiveFile], state: ArchiveState, **values: Any) -> None:
    """Give the files of a batch another state, in one transaction, and set columns.

    Raises:
        ArchiveBusy: if a file is no longer in the state that this process knows.
    """
    try:
        with transaction.atomic():
            for file in batch:
                known = ArchiveFile.objects.filter(name=file.name, state=file.state)
                if not known.update(state=state, **values):
                    raise ArchiveBusy(f"Another run has taken over the file {file.name}.")
    except IntegrityError as error:
        raise ArchiveBusy("Another run archives or restores rows of this table.") from error
    for file in batch:
        file.state = state


def record(file: ArchiveFile, contents: Contents) -> None:
    """Record what a file that was verified has."""
    path = path_of(file)
    file.rows, file.first_at, file.last_at = contents.rows, contents.first_at, contents.last_at
    file.bytes, file.checksum = size(path), checksum(path)
    file.verified_at = database_now()
    file.save(update_fields=["rows", "first_at", "last_at", "bytes", "checksum", "verified_at"])


def problem_of(file: ArchiveFile) -> str:
    """Read a file and compare it with its entry; return what is wrong, or "" if it is whole."""
    if problem := size_problem_of(file):
        return problem
    path = path_of(file)
    try:
        found = checksum(path)
    except ArchiveError as error:
        return str(error)
    if found == file.checksum:
        return ""
    return f"The file {path} is damaged: its checksum is {found} instead of {file.checksum}."


def size_problem_of(file: ArchiveFile) -> str:
    """Compare only a file's size with its entry; return what is wrong, or ""."""
    path = path_of(file)
    try:
        found = size(path)
    except ArchiveError as error:
        return str(error)
    if found == file.bytes:
        return ""
    return f"The file {path} is damaged: it has {found:,} bytes instead of {file.bytes:,}."


def discard(batch: Sequence[ArchiveFile]) -> None:
    """Remove the files of a batch that were being written, and their entries: no row has left its table."""
    move([file for file in batch if file.state == ArchiveState.WRITING], ArchiveState.DISCARDED)
    discarded = [file.name for file in batch if file.state == ArchiveState.DISCARDED]
    for name in discarded:
        path = settings.ARCHIVE_DIR / name
        path.unlink(missing_ok=True)
        part_of(path).unlink(missing_ok=True)
    ArchiveFile.objects.filter(name__in=discarded, state=ArchiveState.DISCARDED).delete()

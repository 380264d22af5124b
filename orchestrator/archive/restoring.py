"""Puts the rows of an archive file back into their table."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction

from monitoring.formatting import first_line
from orchestrator.archive import manifest, stored_rows
from orchestrator.archive.disk_files import flush_folder
from orchestrator.archive.manifest import RESTORED_FOLDER, Restored, path_of
from orchestrator.archive.parquet_files import names_of, rows_of, verified_contents
from orchestrator.archive.row_sql import Row
from orchestrator.choices import ArchiveState
from orchestrator.exceptions import ArchiveError
from orchestrator.models import ArchiveFile

#: Rows of one transaction.
_CHUNK_ROWS: Final = 500


def find(name: str) -> ArchiveFile:
    """Return the entry of a file. One that the manifest does not know, but has rows of a table, is entered.

    Args:
        name: the name of the file, or its path.

    Raises:
        ArchiveError: if there is no such file, or its rows are in their table already.
    """
    base = Path(name).name
    file = ArchiveFile.objects.filter(name=base).first() if _may_be_in_archive(name) else None
    if file is None:
        path = settings.ARCHIVE_DIR / base
        if not _may_be_in_archive(name) or not path.is_file():
            raise ArchiveError(
                f"There is no file {name!r} in {settings.ARCHIVE_DIR}. `manage.py archive --list` shows all."
            )
        return manifest.adopt(path, verified_contents(path))
    if file.state == ArchiveState.RESTORED:
        raise ArchiveError(f"The rows of {base} are in the table {file.table} already.")
    return file


def _may_be_in_archive(name: str) -> bool:
    """Return whether a file, by its name or path, may be one of the archive's."""
    path, longest = Path(name), ArchiveFile._meta.get_field("name").max_length or 0
    if not path.name or len(path.name) > longest or not name.isprintable():
        return False
    folder = settings.ARCHIVE_DIR.resolve()
    return path.name == name or path.parent.resolve() in (folder, folder / RESTORED_FOLDER)


def begin(file: ArchiveFile) -> None:
    """Verify a file, and record that its rows return to their table."""
    if problem := manifest.problem_of(file):
        raise ArchiveError(problem)
    manifest.move([file], ArchiveState.RESTORING)


def finish(file: ArchiveFile, progress: Callable[[int], object] = bool) -> Restored:
    """Insert the rows of a file that are not in the table, and put the file aside.

    Args:
        file: an entry in the state ``restoring``. It may have been left by a process that was killed.
        progress: called with the number of rows of each transaction.
    """
    path, inserted = path_of(file), 0
    rows = verified_contents(path).rows
    names = names_of(path)
    for chunk in rows_of(path, _CHUNK_ROWS):
        inserted += _insert(file.table, names, chunk)
        progress(len(chunk))
    _put_aside(path)
    manifest.move([file], ArchiveState.RESTORED)
    return Restored(file=file.name, table=file.table, rows=rows, inserted=inserted)


def _insert(table: str, names: Sequence[str], rows: Sequence[Row]) -> int:
    try:
        with transaction.atomic():
            return stored_rows.insert(table, names, rows)
    except IntegrityError as error:
        # A row for which there is no partition, or that a constraint of today forbids.
        raise ArchiveError(f"The table {table} does not take the rows: {first_line(error)}") from error


def _put_aside(path: Path) -> None:
    """Move a file to the folder of restored ones, so that no query over the archive counts its rows."""
    folder = settings.ARCHIVE_DIR / RESTORED_FOLDER
    folder.mkdir(exist_ok=True)
    path.rename(folder / path.name)
    flush_folder(folder)
    flush_folder(settings.ARCHIVE_DIR)

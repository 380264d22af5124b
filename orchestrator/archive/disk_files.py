"""The archive's files as the disk has them, without what is in them.

It does not load pyarrow, which web workers do not need.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.exceptions import ArchiveError


@dataclass(frozen=True)
class Contents:
    """What a file has.

    Args:
        table: the table of the rows.
        rows: their number.
        rows_checksum: SHA-256 over the rows as lines of JSON, in hexadecimal digits.
        first_at: the smallest timestamp of the rows; see ``AGE_COLUMNS``. None: no rows.
        last_at: the largest.
    """

    table: str
    rows: int
    rows_checksum: str
    first_at: datetime | None
    last_at: datetime | None


def part_of(path: Path) -> Path:
    """Return the temporary name of a file; no pattern for the archive's files matches it."""
    return path.with_name(f".{path.name}.part")


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_file(path: Path) -> None:
    """Flush a file to the disk, and let the next read of it come from there."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        ArchiveError: if the file is missing or cannot be read.
    """
    with _errors_named(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size(path: Path) -> int:
    """Return the number of a file's bytes.

    Raises:
        ArchiveError: if the file is missing or cannot be read.
    """
    with _errors_named(path):
        return path.stat().st_size


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """Turn an error of the file system into an ``ArchiveError``."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArchiveError(f"The file {path} is missing.") from error
    except OSError as error:
        raise ArchiveError(f"The file {path} cannot be read: {error.strerror}.") from error

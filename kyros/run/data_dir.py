"""The data folder: used by one instance at a time, readable by its owner only."""

import fcntl
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kyros.run import LaunchError
from monitoring.processes import is_alive

#: How long to wait for the processes of a killed launcher, which end by themselves in less time.
LOCK_TIMEOUT_SECONDS = 15.0
OWNER_ONLY = 0o700
POLL_SECONDS = 0.1


def create(folder: Path) -> None:
    """Create the data folder and its parents if they do not exist; raise `LaunchError` if that fails."""
    try:
        folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    except OSError as error:
        raise LaunchError(f"KYROS_DATA_DIR={str(folder)!r} cannot be created: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LaunchError(f"KYROS_DATA_DIR={str(folder)!r} is not writable")


def make_private(paths: Iterable[Path]) -> None:
    """Take the rights of group and others from `paths` and from everything in those that are folders.

    Raises `LaunchError` for a file whose rights cannot be changed. Symbolic links are not followed.
    """
    for path in paths:
        try:
            for each in (path, *path.rglob("*")):
                _make_private(each)
        except PermissionError as error:
            raise LaunchError(
                f"{error.filename} can be used by others, and its mode cannot be changed"
            ) from None


def _make_private(path: Path) -> None:
    with suppress(FileNotFoundError):  # a command beside the start has removed it
        mode = path.lstat().st_mode
        if mode & ~OWNER_ONLY & 0o777 and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & OWNER_ONLY)


@contextmanager
def locked(folder: Path, url: str) -> Iterator[None]:
    """Lock the data folder for this process and its forks, which serve `url`.

    The lock is released when the last of these processes ends, so the folder stays locked until a killed
    instance has ended completely. Raises `LaunchError` if another instance holds the lock.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {url}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while not _try_lock(descriptor):
        pid, _, url = os.pread(descriptor, 1024, 0).decode().partition(" ")
        if time.monotonic() > deadline or (pid and is_alive(int(pid))):
            raise LaunchError(
                f"the data folder {folder} is in use by process {pid or 'unknown'}, which serves "
                f"{url or 'nothing yet'}; choose another folder and port with KYROS_DATA_DIR=… and PORT=…"
            )
        time.sleep(POLL_SECONDS)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

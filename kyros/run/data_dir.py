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
MAX_LOCK_BYTES = 65_536
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
def locked(folder: Path, url: str) -> Iterator[int]:
    """Lock the data folder for this process, its forks and the processes that inherit the descriptor.

    The lock is released when the last of these processes ends, so the folder stays locked until a killed
    instance has ended completely. Other starts name this process and the `url` it serves. Yields the
    descriptor of the lock file. Raises `LaunchError` if another instance holds the lock.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        _acquire(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()} {url}\n".encode())
        yield descriptor
    finally:
        os.close(descriptor)


def add_group(descriptor: int, group: int) -> None:
    """Record that the processes of `group` use the data folder."""
    os.write(descriptor, f"{group}\n".encode())


def _acquire(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while not _try_lock(descriptor):
        launcher, *groups = os.pread(descriptor, MAX_LOCK_BYTES, 0).decode().splitlines() or [""]
        pid, _, url = launcher.partition(" ")
        if pid and is_alive(int(pid)):
            raise LaunchError(
                f"the data folder {folder} is in use by process {pid}, which serves {url}; "
                "choose another folder and port with KYROS_DATA_DIR=… and PORT=…"
            )
        if time.monotonic() > deadline:
            raise LaunchError(_left(folder, [int(group) for group in groups]))
        time.sleep(POLL_SECONDS)


def _left(folder: Path, groups: Iterable[int]) -> str:
    # A negative number stands for a process group.
    alive = [str(-group) for group in groups if is_alive(-group)]
    return (
        f"the data folder {folder} is in use by processes that a killed instance has left; "
        f"end them with: kill -- {' '.join(alive)}"
    )


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

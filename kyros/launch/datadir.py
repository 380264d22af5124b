"""The data folder: one instance at a time, readable for its owner only."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kyros.launch import LaunchError
from kyros.processes import is_alive

#: Seconds to wait for what a killed launcher left behind; its processes end themselves in less.
LEFTOVER_SECONDS = 15.0
POLL_SECONDS = 0.1


def make(folder: Path) -> None:
    """Make the data folder, with its parents, unless it is there; raise `LaunchError` if that fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LaunchError(f"KYROS_DATA_DIR={str(folder)!r} cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LaunchError(f"KYROS_DATA_DIR={str(folder)!r} cannot be written to")


@contextmanager
def locked(folder: Path, address: str) -> Iterator[None]:
    """Hold the data folder for this process and the processes it forks, which serve `address`.

    The lock ends with the last of them, so that it is held until nothing of a killed instance is left.
    Raises `LaunchError` if another instance holds the folder.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {address}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while not _try(descriptor):
        pid, _, address = os.pread(descriptor, 1024, 0).decode().partition(" ")
        if time.monotonic() > deadline or (pid and is_alive(int(pid))):
            raise LaunchError(
                f"the data folder {folder} is in use by process {pid or 'unknown'}, which serves "
                f"{address or 'nothing yet'}; choose another with KYROS_DATA_DIR=… and PORT=…"
            )
        time.sleep(POLL_SECONDS)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Writers take turns: a transaction begins when those that came before it are over (ADR 15).

The turns are a courtesy among Django's transactions. What keeps writers apart is SQLite's own lock, as ever,
also where there can be no turns.
"""

import fcntl
import os
import threading
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from django.db import OperationalError
from django.db.backends.sqlite3 import base

#: Seconds between two looks at whether another process has gone on.
LOOK_EVERY: Final = 0.0005

# FileLocks in the queue of processes, each a byte of a file: the one that writes, and the one that is next. Who
# would write again has to become the next first, so that no process keeps the others out.
_WRITES, _NEXT = range(2)


class FileLocks:
    """The places of a file, as one process has them; the system takes them from a process that ends.

    Args:
        path: of the file, which is made if it is not there.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, place: int, deadline: float) -> bool:
        """Wait for a place until a moment of the monotonic clock at most; return whether it is taken."""
        while True:
            with suppress(BlockingIOError, PermissionError):  # which of them, the system decides
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_EVERY)

    def leave(self, place: int) -> None:
        """Leave a place."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)


class WriteQueue:
    """The turns at one database, of the threads of this process and of all processes.

    Args:
        database: the database's file; the places are in one beside it.
    """

    def __init__(self, database: str) -> None:
        self._path = Path(f"{database}-turns")
        self._here = threading.Lock()

    @cached_property
    def _places(self) -> FileLocks | None:
        with suppress(OSError):
            return FileLocks(self._path)
        return None

    def take(self, seconds: float) -> bool:
        """Wait for the turn, so many seconds at most; return whether it has come."""
        deadline = time.monotonic() + seconds
        if not self._here.acquire(timeout=seconds):
            return False
        came = False
        try:
            came = self._places is None or self._take_among_processes(self._places, deadline)
        finally:
            if not came:
                self._here.release()
        return came

    def pass_on(self) -> None:
        """Let the next one have the turn."""
        try:
            if self._places:
                self._places.leave(_WRITES)
        finally:
            self._here.release()

    def _take_among_processes(self, places: FileLocks, deadline: float) -> bool:
        if not places.take(_NEXT, deadline):
            return False
        try:
            return places.take(_WRITES, deadline)
        finally:
            places.leave(_NEXT)


_turns: Final[dict[str, WriteQueue]] = {}


class QueuedWritesMixin(base.DatabaseWrapper):
    """A connection to SQLite whose transactions begin when it is their turn."""

    _turn: WriteQueue | None = None

    def _start_transaction_under_autocommit(self) -> None:
        database = str(self.settings_dict["NAME"])
        turn = _turns.get(database) or _turns.setdefault(database, WriteQueue(database))
        if not turn.take(self.settings_dict["OPTIONS"]["timeout"]):
            raise OperationalError("database is locked")
        self._turn = turn
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._pass_on()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]
        finally:
            self._pass_on_if_over()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._pass_on_if_over()

    def _close(self) -> Any:
        try:
            return super()._close()  # type: ignore[misc]
        finally:
            self._pass_on()

    def _pass_on_if_over(self) -> None:
        # A COMMIT that a constraint refused has left the transaction open, for the ROLLBACK that follows.
        if self._turn and not self.connection.in_transaction:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._turn:
            turn, self._turn = self._turn, None
            turn.pass_on()

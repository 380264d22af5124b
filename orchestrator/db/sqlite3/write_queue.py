"""A queue in which write transactions wait to begin (docs/adr/0010-sqlite-write-queue.md).

The queue only orders Django's transactions. SQLite's own lock still separates the writers, also if the lock
file of the queue cannot be created.
"""

import fcntl
import os
import threading
import time
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from orchestrator.db.database_breaker import DatabaseBreaker, max_wait

#: The name of the lock file is that of the database with this suffix.
LOCK_FILE_SUFFIX: Final = "-write-queue"

#: Seconds between two attempts to get a file lock.
_POLL_SECONDS: Final = 0.0005

# The locked bytes: one belongs to the process that writes, one to the process that is next. To write again a
# process must first become the next, so no process keeps the others out.
_ACTIVE, _NEXT = range(2)


class FileLocks:
    """Locks on single bytes of a file, held by a process. The system releases them when the process ends.

    Args:
        path: the file, which is created if it does not exist.

    Raises:
        OSError: if the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, byte: int, deadline: float) -> bool:
        """Wait for a lock; return whether this process got it.

        Args:
            byte: the byte of the file to lock.
            deadline: a time of the monotonic clock.
        """
        while True:
            with suppress(BlockingIOError, PermissionError):  # it depends on the system which one is raised
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)

    def release(self, byte: int) -> None:
        """Release a lock."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)


class QueueTimeout(OperationalError):
    """The writers before this one took too long."""


class WriteQueue:
    """The queue of one database, for the threads of this process and for all processes.

    Args:
        database: path of the database file; the lock file is next to it.
    """

    def __init__(self, database: str) -> None:
        self.breaker = DatabaseBreaker(OperationalError)
        self._path = Path(f"{database}{LOCK_FILE_SUFFIX}")
        self._thread_lock = threading.Lock()

    @cached_property
    def _file_locks(self) -> FileLocks | None:
        with suppress(OSError):
            return FileLocks(self._path)
        return None

    def enter(self, seconds: float) -> bool:
        """Wait for the writers before this one, at most this long; return whether it may write now."""
        deadline = time.monotonic() + seconds
        if not self._thread_lock.acquire(timeout=seconds):
            return False
        entered = False
        try:
            entered = self._file_locks is None or self._enter_among_processes(self._file_locks, deadline)
        finally:
            if not entered:
                self._thread_lock.release()
        return entered

    def leave(self) -> None:
        """Let the next writer begin."""
        try:
            if self._file_locks:
                self._file_locks.release(_ACTIVE)
        finally:
            self._thread_lock.release()

    def _enter_among_processes(self, locks: FileLocks, deadline: float) -> bool:
        if not locks.acquire(_NEXT, deadline):
            return False
        try:
            return locks.acquire(_ACTIVE, deadline)
        finally:
            locks.release(_NEXT)


_queues: Final[dict[str, WriteQueue]] = {}


class QueuedWritesMixin(base.DatabaseWrapper):
    """A connection to SQLite whose transactions wait in the queue before they begin."""

    _entered_queue: WriteQueue | None = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection, which waits for locks as long as its thread may."""
        timeout = max_wait() or conn_params["timeout"]
        return super().get_new_connection({**conn_params, "timeout": timeout})

    def _start_transaction_under_autocommit(self) -> None:
        database = str(self.settings_dict["NAME"])
        queue = _queues.get(database) or _queues.setdefault(database, WriteQueue(database))
        queue.breaker.wait(partial(self._enter, queue), QueueTimeout)
        self._entered_queue = queue
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._leave_queue()
            raise

    def _enter(self, queue: WriteQueue, seconds: float | None) -> None:
        if not queue.enter(self.settings_dict["OPTIONS"]["timeout"] if seconds is None else seconds):
            raise QueueTimeout("database is locked")

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]
        finally:
            self._leave_queue_after_transaction()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._leave_queue_after_transaction()

    def _close(self) -> Any:
        try:
            return super()._close()  # type: ignore[misc]
        finally:
            self._leave_queue()

    def _leave_queue_after_transaction(self) -> None:
        # If a constraint refuses a COMMIT, the transaction stays open until the ROLLBACK that follows.
        if self._entered_queue and not self.connection.in_transaction:
            self._leave_queue()

    def _leave_queue(self) -> None:
        if self._entered_queue:
            queue, self._entered_queue = self._entered_queue, None
            queue.leave()

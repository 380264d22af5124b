"""The circuit breaker of the databases: a database that hangs never holds all threads of a web worker.

No time-out of the server helps against a server that is frozen, or behind a network that swallows packets. So
the threads of the web server wait for it here. Other threads and programs wait as long as it takes.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from django.conf import settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Threads of a web worker that stay free for what needs no database, such as ``/healthz``.
RESERVED_THREADS: Final = 2

#: Seconds without any response from a database after which only a few threads keep waiting for it.
SILENT_AFTER: Final = 0.75

#: Seconds between two attempts of requests to use a database that did not respond.
RETRY_EVERY: Final = 1.0

#: Share of DB_POOL_TIMEOUT that one wait may last; the rest is for the response.
_WAIT_SHARE: Final = 0.9

_REFUSAL: Final = "the database has not responded to this process, and is not queried for a moment"
_GIVEN_UP: Final = "the database did not respond in time"

_thread = threading.local()

# One more thread may be waiting at a time: the one that tries whether the database responds again.
_patient_threads = threading.Semaphore(max(1, settings.WEB_THREADS - RESERVED_THREADS - 1))


def bounded(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI application whose threads wait for a database for a bounded time only."""

    def bounded_application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        _thread.bounded = True
        return application(environ, start_response)

    return bounded_application


#: Seconds that a thread waits for a replica; then the primary serves the read.
_REPLICA_WAIT: Final = 0.25


def replica_wait() -> float:
    """Return for how many seconds a thread may wait for a replica."""
    return _REPLICA_WAIT


def max_wait() -> float | None:
    """Return for how many seconds this thread may wait for a database; None for any time."""
    return settings.DB_POOL_TIMEOUT * _WAIT_SHARE if getattr(_thread, "bounded", False) else None


class DatabaseBreaker:
    """Bounds the time that threads wait for one database, and refuses further waits while it is silent.

    It opens when no thread gets a response any more. From then on one thread a second may try; the first
    response to any thread closes it.

    Args:
        error: what is raised instead of waiting; an exception that Django knows as an ``OperationalError``.
        longest: returns for how many seconds the calling thread may wait; None for any time.
        name: of the database, for the log.
    """

    def __init__(
        self,
        error: type[Exception],
        longest: Callable[[], float | None] = max_wait,
        name: str = "The database",
    ) -> None:
        self._error = error
        self._longest = longest
        self._name = name
        self._lock = threading.Lock()
        self._last_response = time.monotonic()
        self._retry_at: float | None = None
        self._trying: int | None = None

    def wait(
        self, attempt: Callable[[float | None], T], timed_out: type[Exception], *, responds: bool = True
    ) -> T:
        """Return the result of an attempt, which is repeated after a time-out as long as it may be.

        Args:
            attempt: waits for the database for so many seconds, or for any time if they are None.
            timed_out: what it raises when they are over.
            responds: whether its result proves that the database responds.

        Raises:
            the breaker's error: when the database is silent.
        """
        longest = self._longest()
        if longest is None:
            return attempt(None)
        if self._retry_at is not None:
            self._require_permission()
        result = self._wait(attempt, timed_out, longest)
        if responds:
            self._responded()
        return result

    def failed_to_connect(self) -> None:
        """Open the breaker: the database cannot be reached."""
        if self._longest() is not None:
            self._open()

    def _wait(self, attempt: Callable[[float | None], T], timed_out: type[Exception], longest: float) -> T:
        began, patient = time.monotonic(), False
        try:
            while True:
                seconds = began + longest - time.monotonic()
                try:
                    return attempt(max(0.0, seconds if patient else min(seconds, SILENT_AFTER)))
                except timed_out:
                    patient = patient or _patient_threads.acquire(blocking=False)
                    self._give_up_if_due(began, longest, patient=patient)
        finally:
            if patient:
                _patient_threads.release()

    def _give_up_if_due(self, began: float, longest: float, *, patient: bool) -> None:
        """Raise the error if the thread has waited for too long, or if others are waiting for it already."""
        now = time.monotonic()
        in_time = now < began + longest
        # Not the whole time, because a wait may end a little early.
        silent = now - max(began, self._last_response) > 0.9 * SILENT_AFTER
        if in_time and (patient or not silent):
            return
        if in_time or self._last_response <= began:
            self._open()
        raise self._error(_GIVEN_UP)

    def _require_permission(self) -> None:
        """Raise the error unless it is time to try again, and this thread is the first to do so."""
        with self._lock:
            if self._retry_at is None or self._trying == threading.get_ident():
                return
            if time.monotonic() < self._retry_at:
                raise self._error(_REFUSAL)
            self._retry_at, self._trying = time.monotonic() + RETRY_EVERY, threading.get_ident()

    def _open(self) -> None:
        with self._lock:
            if self._retry_at is None:
                logger.error("%s does not respond: it is queried once a second", self._name)
            self._retry_at, self._trying = time.monotonic() + RETRY_EVERY, None

    def _responded(self) -> None:
        self._last_response = time.monotonic()
        if self._retry_at is None:
            return
        with self._lock:
            self._retry_at = self._trying = None
        logger.warning("%s responds again", self._name)
